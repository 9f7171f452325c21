"""What each feature shows of the text."""

import numpy as np
import pytest

from lm_envs.envs.observations.features import BudgetLeft, TurnsLeft, is_in_prompt, repeat_lengths
from tests.envs.helpers import make, make_small, text_ids


def test_embeddings_are_the_scaled_mean_and_the_last_tokens(checkpoint, model):
    env = make_small(
        checkpoint, observation={"kind": "embeddings", "last": 2}, actions="vocabulary"
    )
    env.reset(seed=0)
    observations = env.step(np.array([5, 6, 7]))[0]
    table = model.token_embeddings[:275].numpy()
    table = table / table.std(0, ddof=1)
    for row, text in enumerate(text_ids(env)):
        pool, last = np.split(observations[row, :-1], [table.shape[1]])
        np.testing.assert_allclose(pool, table[text].mean(0) * len(text) ** 0.5, atol=1e-5)
        np.testing.assert_allclose(last, table[text[-2:]].ravel(), atol=1e-6)


def test_zeros_stand_before_a_short_text(checkpoint, model):
    env = make_small(
        checkpoint, 1, observation={"kind": "embeddings", "last": 4}, actions="vocabulary"
    )
    observations, _ = env.reset(options={"prompt": "a"})
    size = model.config.hidden_size
    assert not observations[0, size : 4 * size].any()
    assert observations[0, 4 * size : 5 * size].any()


@pytest.mark.parametrize("actions", ["top_k", "embedding"])
def test_candidates_are_the_columns_beside_the_hidden_state(checkpoint, model, actions):
    env = make_small(checkpoint, actions=actions, observation="candidates")
    whole = make_small(checkpoint, actions=actions)
    seen, beside = env.reset(seed=0)[0], whole.reset(seed=0)[0][:, model.config.hidden_size :]
    assert (seen == beside).all()
    assert env.single_observation_space.shape == (seen.shape[1],)


def column(env, observations, name):
    return observations[:, env.observation.columns[name]]


def test_hidden_is_the_models_last_hidden_state(checkpoint):
    env = make_small(checkpoint)
    observations, _ = env.reset(seed=0)
    np.testing.assert_array_equal(column(env, observations, "hidden"), env.outputs.hidden)


def test_candidate_logprobs_are_clipped_at_minus_30(checkpoint):
    env = make_small(checkpoint)
    observations, _ = env.reset(seed=0)
    expected = env.outputs.logprobs.clip(-30.0, 0.0)
    np.testing.assert_array_equal(column(env, observations, "candidate_logprobs"), expected)


def test_a_repeated_token_and_a_repeated_pair_are_marked(checkpoint):
    env = make_small(checkpoint, 1, actions="vocabulary")
    env.reset(seed=0)
    for token in (5, 6, 7, 5):
        env.step(np.array([token]))
    candidates = np.array([[5, 6, 7, 8]])
    # 5 and 7 were written before, 6 was written after 5, 8 is new
    assert repeat_lengths(candidates, env.episodes).tolist() == [[1, 2, 1, 0]]


def test_tokens_of_the_prompt_are_marked(checkpoint):
    env = make_small(checkpoint, 2, actions="vocabulary")
    env.reset(seed=0)
    env.step(np.array([274, 274]))
    for row, prompt in enumerate(env.episodes.prompt_ids):
        candidates = np.tile([prompt[0], 274], (2, 1))
        assert is_in_prompt(candidates, env.episodes)[row].tolist() == [True, False]


def test_the_budget_left_falls_from_1_to_0(checkpoint):
    env = make_small(checkpoint, 1, actions="vocabulary", max_new_tokens=4)
    observations, _ = env.reset(seed=0)
    left = [column(env, observations, "budget_left").item()]
    for _ in range(4):
        left.append(column(env, env.step(np.array([5]))[0], "budget_left").item())
    assert left == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert BudgetLeft().columns.keys() == {"budget_left"}


def test_the_turns_left_fall_with_each_line():
    env = make(1, env_id="lm_envs/Dialogue-v0", max_turns=4)
    observations, _ = env.reset(seed=0)
    assert column(env, observations, "turns_left").item() == 1.0
    assert column(env, env.step(np.array([0]))[0], "turns_left").item() == 0.75
    assert TurnsLeft(4).columns.keys() == {"turns_left"}


def test_lines_without_effect_are_marked():
    env = make(3, env_id="lm_envs/KnowledgeGraphQA-v0")
    observations, _ = env.reset(seed=0)
    enabled = column(env, observations, "choice_enabled")
    np.testing.assert_array_equal(enabled, env.action_masks())
    assert 0 < enabled.sum() < enabled.size


def test_the_source_left_falls_with_each_word_read():
    env = make(1, env_id="lm_envs/Translation-v0", mode="simultaneous", kind="date")
    observations, _ = env.reset(options={"index": 0})
    before = column(env, observations, "source_left").item()
    after = column(env, env.step(np.array([0]))[0], "source_left").item()
    assert 1.0 > before > after >= 0.0


def test_words_that_cost_no_lag_are_counted():
    """After one word and four tokens worth half a word, two words can be read; then none."""
    env = make(1, env_id="lm_envs/Translation-v0", mode="simultaneous", kind="list")
    observations, _ = env.reset(options={"index": 0})
    found = [column(env, observations, "free_reads")[0].tolist()]
    for action in (1, 1, 1, 1, 0, 0):
        found.append(column(env, env.step(np.array([action]))[0], "free_reads")[0].tolist())
    assert found == [[0, 0], [0.5, 1], [1, 2], [1.5, 3], [2, 4], [1, 3], [0, 2]]
