"""Simultaneous translation: what is read, what is written, and when it may end."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from lm_envs.envs.actions.read_write import READ, WRITE

gym.register_envs(lm_envs)
ID = "lm_envs/Translation-v0"


def make(num_envs=3, **options):
    options = {"autoreset_mode": "disabled", "mode": "simultaneous", "kind": "date"} | options
    return gym.make_vec(ID, num_envs=num_envs, **options).unwrapped


def finish(env, act):
    """Steps until every row is over; returns transcripts and total rewards of each row."""
    over, totals, found = np.zeros(env.num_envs, bool), np.zeros(env.num_envs), {}
    while not over.all():
        _, rewards, terminated, truncated, _ = env.step(act(env))
        totals += np.where(over, 0.0, rewards)
        for row in np.flatnonzero((terminated | truncated) & ~over):
            found[int(row)] = env.transcripts[row]
        over |= terminated | truncated
        if not over.all() and (terminated | truncated).any():
            env.reset(options={"reset_mask": terminated | truncated, "index": 0})
    return [found[row] for row in range(env.num_envs)], totals


def test_reading_everything_first_gives_the_translation_of_the_whole_text():
    env = make()
    whole = make(mode="whole", actions="top_k")
    env.reset(options={"index": [0, 1, 2]})
    whole.reset(options={"index": [0, 1, 2]})
    transcripts, _ = finish(env, lambda env: np.full(3, READ))
    expected, _ = finish(whole, lambda env: np.zeros(3, np.int64))
    assert [t.text for t in transcripts] == [t.text for t in expected]
    assert [t.scores["chrf"] for t in transcripts] == [t.scores["chrf"] for t in expected]
    sizes = [len(t.prompt.split("\n")[0].removeprefix("English: ").split()) for t in transcripts]
    for name in ("lagging", "differentiable_lagging"):
        assert [t.scores[name] for t in transcripts] == sizes


def test_the_context_is_the_source_read_so_far_and_the_text_written_so_far():
    env = make(2)
    env.reset(options={"index": [0, 1]})
    first = [transcript.prompt.split()[1] for transcript in env.transcripts]
    for row, action in ((0, READ), (1, WRITE)):
        assert env.actions.num_read[row] == 1
        context = env.tokenizer.decode(env.episodes.contexts[row, : env.engine.lengths[row]])
        assert context == f"English: {first[row]}\nFrench:"
        assert action in env.actions.masks()[row].nonzero()[0]
    env.step(np.array([READ, WRITE]))
    assert env.actions.num_read.tolist() == [2, 1]
    assert [len(t.tokens) for t in env.transcripts] == [0, 1]
    env.step(np.array([READ, READ]))
    for row in range(2):
        context = env.tokenizer.decode(env.episodes.contexts[row, : env.engine.lengths[row]])
        words = env.transcripts[row].prompt.split("\n")[0].split()[1:]
        source = " ".join(words[: env.actions.num_read[row]])
        assert context == f"English: {source}\nFrench:{env.transcripts[row].text}"


def test_a_translation_does_not_end_before_the_whole_source_is_read():
    env = make(1, max_new_tokens=12)
    env.reset(options={"index": 0})
    [transcript], _ = finish(env, lambda env: np.array([WRITE]))
    assert len(transcript.tokens) == 12
    assert "\n" not in transcript.text


def test_writing_everything_after_the_first_word_is_no_gain():
    """Regression: average lagging is negative there, and paid for hopeless translations."""
    env = make(1, max_new_tokens=12)
    env.reset(options={"index": 0})
    [transcript], [total] = finish(env, lambda env: np.array([WRITE]))
    assert transcript.scores["lagging"] < 0
    assert transcript.scores["differentiable_lagging"] == 1
    assert total == pytest.approx(transcript.scores["chrf"] - 0.05)


def test_rewards_add_up_and_belong_to_the_tokens_that_earned_them():
    env = make(4)
    env.reset(seed=0)
    rng = np.random.default_rng(0)
    transcripts, totals = finish(env, lambda env: rng.integers(0, 2, 4))
    for transcript, total in zip(transcripts, totals, strict=True):
        assert transcript.rewards.sum() == pytest.approx(total)
        weighed = transcript.scores["chrf"] - 0.05 * transcript.scores["differentiable_lagging"]
        assert transcript.scores["reward"] == pytest.approx(weighed)
        assert total == pytest.approx(weighed)


def test_an_end_token_of_an_earlier_episode_has_no_effect():
    env = make(1)
    env.reset(options={"index": 0})
    env.episodes.tokens[:] = env.tokenizer.end_token
    _, _, terminated, _, _ = env.step(np.array([READ]))
    assert not terminated.any()


def test_steps_after_a_restored_state_are_the_same_bit_for_bit():
    env = make(autoreset_mode="same_step")
    env.reset(seed=0)
    rng = np.random.default_rng(1)
    actions = rng.integers(0, 2, (12, 3))
    for chosen in actions[:4]:
        env.step(chosen)
    state = env.get_state()
    expected = [env.step(chosen)[:2] for chosen in actions[4:]]
    env.set_state(state)
    for chosen, (observations, rewards) in zip(actions[4:], expected, strict=True):
        again = env.step(chosen)
        np.testing.assert_array_equal(again[0], observations)
        np.testing.assert_array_equal(again[1], rewards)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"actions": "top_k"}, "actions='top_k' for 'translation'; 'translation' of mode="),
        ({"mode": "whole", "actions": "read_write"}, "'read_write' and mode='simultaneous'"),
        ({"mode": "late"}, "mode='late'; allowed: 'whole', 'simultaneous'"),
    ],
)
def test_modes_and_actions_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_callers_prompt_is_refused():
    with pytest.raises(ValueError, match="select an example by 'index'"):
        make().reset(options={"prompt": "Good morning"})
