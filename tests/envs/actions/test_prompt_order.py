"""Actions in the order of the prompt: what each writes, and the columns that show it."""

import numpy as np
import pytest

from tests.envs.helpers import make_small

BY_PROMPT = {"kind": "top_k", "k": 3, "copies": 12, "order": "prompt"}
BY_LIKELIHOOD = {**BY_PROMPT, "order": "likelihood"}


@pytest.fixture
def rows(checkpoint):
    env = make_small(checkpoint, prompt_tokens=8, actions=BY_PROMPT)
    env.reset(seed=1)
    return env


def written(env, action):
    return env.actions.to_tokens(np.full(env.num_envs, action), env.outputs, np.arange(3))


def first_tokens(prompt):
    return list(dict.fromkeys(prompt[1:].tolist()))


def test_the_first_actions_write_the_tokens_of_the_prompt_in_its_order(rows):
    for _ in range(3):
        for row, prompt in enumerate(rows.episodes.prompt_ids):
            wanted = first_tokens(prompt)
            found = [int(written(rows, action)[row]) for action in range(len(wanted))]
            assert found == wanted
        rows.step(np.full(rows.num_envs, 0))


def test_the_last_action_writes_the_end_token(rows):
    end = rows.engine.end_token
    for row, token in enumerate(written(rows, 14).tolist()):
        assert token == end or end in first_tokens(rows.episodes.prompt_ids[row])


def test_ranks_are_by_likelihood(rows):
    for rank in (0, 1, 5):
        actions = rows.actions_for_ranks(np.full(rows.num_envs, rank))
        tokens = rows.actions.to_tokens(actions, rows.outputs, np.arange(3))
        np.testing.assert_array_equal(tokens, rows.outputs.candidates[:, rank])


def test_columns_are_those_of_the_other_order_at_the_places_of_the_actions(checkpoint, rows):
    other = make_small(checkpoint, prompt_tokens=8, actions=BY_LIKELIHOOD)
    other.reset(seed=1)
    seen, wanted = rows.observe(), other.observe()
    for name in ("candidate_logprobs", "candidate_echoes", "pointer_shares"):
        part = rows.observation.columns[name]
        for rank in range(15):
            places = part.start + rows.actions_for_ranks(np.full(3, rank))
            np.testing.assert_array_equal(seen[np.arange(3), places], wanted[:, part.start + rank])


def test_the_order_of_the_prompt_needs_copies(checkpoint):
    with pytest.raises(ValueError, match="order='prompt'; allowed: 'likelihood'"):
        make_small(checkpoint, actions={"kind": "top_k", "order": "prompt"})
