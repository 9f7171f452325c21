"""The pointer over the prompt."""

import numpy as np

from lm_envs.envs.actions.pointer import NO_TOKEN, Pointer
from tests.envs.helpers import make


def shares_of(prompt):
    env = make(1)
    env.reset(options={"prompt": prompt})
    tokens, shares = Pointer(env.engine, env.episodes).shares()
    return env.tokenizer, tokens[0], shares[0]


def test_shares_of_a_prompt_add_up_to_1():
    tokenizer, tokens, shares = shares_of("The cat and the dog and the cow")
    texts = [tokenizer.decode([token]) for token in tokens]
    assert len(set(texts)) == len(texts)
    assert abs(shares.sum() - 1.0) < 1e-5


def test_where_the_text_repeats_itself_the_pointer_finds_what_followed():
    tokenizer, tokens, shares = shares_of("Ann lives in Rome. Bob lives in Paris. Ann lives in")
    rome = tokenizer.encode(" Rome")[0]
    assert shares[tokens == rome][0] > shares[tokens == tokenizer.encode(" lives")[0]][0]


def test_a_prompt_of_one_token_points_nowhere():
    _, tokens, shares = shares_of("a")
    assert not shares.any()
    assert NO_TOKEN not in tokens
    assert np.isfinite(shares).all()
