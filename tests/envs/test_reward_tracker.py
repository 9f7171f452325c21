"""Scores of completions, and the potentials that rewards are differences of."""

import numpy as np
import pytest

from lm_envs.envs.reward_tracker import RewardTracker
from tests.envs.helpers import make


def test_rewards_of_an_episode_add_up_to_the_potential_of_its_text():
    dense, sparse = make(autoreset_mode="same_step"), make(autoreset_mode="same_step", dense=False)
    rng = np.random.default_rng(0)
    for env in (dense, sparse):
        env.reset(seed=0)
    totals = np.zeros((2, 4))
    for _ in range(8):
        actions = rng.integers(0, 16, 4)
        for number, env in enumerate((dense, sparse)):
            _, rewards, terminated, truncated, infos = env.step(actions)
            over = terminated | truncated
            totals[number] += rewards
            assert env is dense or (rewards[~over] == 0).all()
            values = infos.get("final_info", {}).get("scores", {}).get("reward", np.zeros(4))
            np.testing.assert_allclose(totals[number][over], values[over], atol=1e-12)
        if over.any():
            return
    pytest.fail("no episode ended")


def test_the_reward_is_the_score_of_the_text_that_was_written():
    env = make(1, rewards={"fluency": 1.0})
    env.reset(seed=0)
    for _ in range(8):
        env.step(np.array([3]))
    transcript = env.transcripts[0]
    ids = np.concatenate([transcript.prompt_tokens, transcript.tokens])
    logprobs = env.engine.score([ids])[0][len(transcript.prompt_tokens) :]
    expected = 1 + np.mean(logprobs.clip(-8, 0)) / 8
    assert transcript.scores["reward"] == pytest.approx(expected, abs=1e-4)


def test_the_reference_has_the_highest_cross_entropy_score():
    rewards = {"cross_entropy": 1.0}
    env = make(2, env_id="lm_envs/Paraphrase-v0", actions="choices", rewards=rewards)
    env.reset(options={"index": 4})
    right = env.oracle_actions()[0]
    _, rewards, *_, infos = env.step(np.array([right, (right + 1) % 4]))
    scores = infos["scores"]["cross_entropy"]
    assert 0.0 <= scores[1] < scores[0] <= 1.0
    assert rewards.tolist() == scores.tolist()


def test_cross_entropy_is_0_without_a_reference():
    env = make(1, env_id="lm_envs/Paraphrase-v0", rewards={"cross_entropy": 1.0})
    env.reset(options={"prompt": "Text: Hello.\nParaphrase:"})
    assert env.step(np.array([0]))[1].tolist() == [0.0]


scored_texts: list[str] = []


def recording_score(text, references):
    scored_texts.append(text)
    return 0.5


def test_a_score_of_weight_0_is_computed_at_the_end_of_an_episode_only():
    scored_texts.clear()
    name = f"{__name__}:recording_score"
    env = make(2, rewards={"fluency": 1.0, name: 0.0})
    env.reset(seed=0)
    is_over = np.zeros(2, bool)
    while not is_over.any():
        assert scored_texts == []
        *_, terminated, truncated, infos = env.step(np.zeros(2, np.int64))
        is_over = terminated | truncated
    assert scored_texts == [env.transcripts[row].text.strip() for row in np.flatnonzero(is_over)]
    assert infos["scores"][name][is_over].tolist() == [0.5] * is_over.sum()


def test_potentials_change_only_in_rows_that_are_scored():
    env = make(2, rewards={"length": 1.0})
    env.reset(seed=0)
    env.step(np.zeros(2, int))
    tracker = RewardTracker(env.task.reward, env.episodes)
    first = tracker.potentials(np.array([1]), np.zeros(2, bool))
    assert first[0] == 0.0
    assert first[1] == tracker.scores["length"][1] > 0.0


def repetition(texts, logprob):
    """A caller's own score that has the name of one of ours."""
    return np.zeros(len(texts))


def test_scores_of_written_text_are_computed_before_log_probabilities_are_there():
    names = ("fluency", "overlap", "chrf", "distinct_2")
    weights = {**dict.fromkeys(names, 1.0), repetition: 1.0, "length": 0.0}
    reward = make(1, rewards=weights).task.reward
    assert reward.textual == ["overlap", "chrf", "distinct_2"]
    assert reward.modelled == ["fluency", "repetition"]
    assert reward.logged == ["length"]


def test_potentials_wait_between_scores_of_text_and_scores_of_the_model(monkeypatch):
    env, order = make(2, rewards={"fluency": 1.0, "length": 1.0}), []
    env.reset(seed=0)
    reward, update = env.task.reward, env.task.reward.update
    monkeypatch.setattr(
        reward, "update", lambda *given: order.append(list(given[-1])) or update(*given)
    )
    tracker = RewardTracker(reward, env.episodes)
    tracker.potentials(np.arange(2), np.zeros(2, bool), lambda: order.append("collect"))
    assert order == [["length"], "collect", ["fluency"]]
