import gymnasium as gym
import numpy as np
import pytest
from transformers import AutoTokenizer

from tests.tokenizer import helpers


@pytest.fixture(params=helpers.KINDS, ids=lambda kind: kind.__name__)
def folder(request, tmp_path):
    """A tiny random GPT-2 with more embeddings than the tokenizer has ids."""
    folder = request.param(tmp_path)
    helpers.tiny_gpt2(folder, num_unused=7).save_pretrained(folder)
    return folder


def test_an_episode_writes_what_the_tokenizer_decodes_and_no_special_token(folder):
    theirs = AutoTokenizer.from_pretrained(folder)
    options = {"model": str(folder), "max_new_tokens": 12, "prompt_tokens": 30}
    env = gym.make("lm_envs/NextWord-v0", actions={"kind": "top_k", "k": 20}, **options).unwrapped
    rng = np.random.default_rng(0)
    _, info = env.reset(seed=0, options={"prompt": "the cats sing."})
    assert info["prompt"] == "the cats sing."
    special = set(theirs.all_special_ids) - set(env.batch.tokenizer.end_tokens.tolist())
    texts, is_over = env.batch.tokenizer.token_texts, False
    while not is_over:
        offered = env.batch.outputs.candidates[0]
        assert special.isdisjoint(offered.tolist())
        assert offered.max() < len(theirs)
        # Bytes that are no character are shown in several ways, so they are not written.
        shown = [texts[token] or "\ufffd" for token in offered]
        whole = [rank for rank, text in enumerate(shown) if "\ufffd" not in text]
        *_, terminated, truncated, info = env.step(int(rng.choice(whole)))
        is_over = terminated or truncated
    transcript = env.transcript
    tokens = np.concatenate([transcript.prompt_tokens, transcript.tokens])
    settings = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
    assert info["prompt"] + transcript.text == theirs.decode(tokens, **settings)
