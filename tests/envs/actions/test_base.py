"""The base class of action kinds, by kinds that a caller could bring."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs
from lm_envs.envs import LanguageVectorEnv
from lm_envs.envs.actions import Actions, TokenActions, TopKActions
from lm_envs.testing import check_environment

ID = "test/Temperature-v0"


class TemperatureActions(TokenActions):
    """Samples one of the candidates at temperature 0.5 or 2: a stochastic kind."""

    meaning = "temperatures"

    def __init__(self, *, low: float = 0.5, high: float = 2.0) -> None:
        self.space = gym.spaces.Discrete(2)
        self._temperatures = np.array([low, high])

    def to_tokens(self, actions, outputs, rows):
        tokens = outputs.candidates[:, 0].copy()
        for row in rows.tolist():
            logits = outputs.logprobs[row].astype(np.float64) / self._temperatures[actions[row]]
            shares = np.exp(logits - logits.max())
            drawn = self.rngs[row].choice(len(shares), p=shares / shares.sum())
            tokens[row] = outputs.candidates[row, drawn]
        return tokens


lm_envs.register(ID, task="next_word", actions=f"{__name__}:TemperatureActions", max_new_tokens=4)


def test_a_stochastic_kind_holds_the_contract_in_all_autoreset_modes():
    check_environment(ID, steps=16)


@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_rows_of_a_stochastic_kind_replay_the_single_environment(mode):
    batch = gym.make_vec(ID, num_envs=3, autoreset_mode=mode)
    singles = [gym.make(ID) for _ in range(3)]
    batch.reset(seed=5)
    for row, env in enumerate(singles):
        env.reset(seed=5 + row)
    waits, num_ends = np.zeros(3, bool), 0
    for step in range(16):
        if mode == "disabled" and waits.any():
            batch.reset(options={"reset_mask": waits})
            [singles[row].reset() for row in np.flatnonzero(waits)]
            waits = np.zeros(3, bool)
        _, rewards, terminated, truncated, infos = batch.step(np.full(3, step % 2))
        for row, env in enumerate(singles):
            if waits[row]:
                env.reset()
                continue
            _, reward, is_terminated, is_truncated, info = env.step(step % 2)
            assert rewards[row] == reward
            assert terminated[row] == is_terminated
            assert (terminated | truncated)[row] == (is_terminated or is_truncated)
            if mode == "same_step" and is_terminated:
                assert infos["final_info"]["text"][row] == info["text"]
                env.reset()
            else:
                assert infos["text"][row] == info["text"]
        num_ends += (terminated | truncated).sum()
        waits = (terminated | truncated) & (mode != "same_step")
    assert num_ends >= 3


def test_different_seeds_draw_different_texts():
    texts = set()
    for seed in range(4):
        env = gym.make(ID)
        env.reset(seed=seed, options={"index": 0})
        for _ in range(3):
            info = env.step(1)[-1]
        texts.add(info["text"])
    assert len(texts) > 1


def test_options_of_a_class_are_its_keyword_arguments():
    actions = {"kind": TemperatureActions, "low": 1e-6}
    env = LanguageVectorEnv(2, task="next_word", actions=actions)
    env.reset(seed=0)
    best = env.outputs.candidates[:, 0]
    env.step(np.zeros(2, int))
    assert [t.tokens[0] for t in env.transcripts] == best.tolist()


def test_an_object_used_in_two_environments_is_refused():
    actions = TopKActions(k=4)
    LanguageVectorEnv(1, task="next_word", actions=actions)
    with pytest.raises(ValueError, match="Got a TopKActions object that another environment uses"):
        LanguageVectorEnv(1, task="next_word", actions=actions)


def test_a_kind_without_actions_for_ranks_is_not_ranked():
    env = LanguageVectorEnv(1, task="next_word", actions=TemperatureActions())
    assert not env.actions.is_ranked
    assert not env.actions.has_model_probabilities
    assert LanguageVectorEnv(1, task="next_word").actions.is_ranked
    with pytest.raises(NotImplementedError, match=r"TemperatureActions has no actions_for_ranks"):
        env.actions_for_ranks(np.zeros(1, int))


def test_the_model_has_probabilities_of_tokens_and_lines_but_not_of_reading():
    reading = {"task": "translation", "mode": "simultaneous", "actions": "read_write"}
    for has_probabilities, kwargs in (
        (True, {"task": "next_word"}),
        (True, {"task": "dialogue", "actions": "choices"}),
        (False, reading),
    ):
        actions = LanguageVectorEnv(1, **kwargs).actions
        assert actions.is_ranked
        assert actions.has_model_probabilities is has_probabilities


def test_discrete_actions_are_all_valid_and_continuous_ones_have_no_masks():
    assert LanguageVectorEnv(2, task="next_word", actions=TemperatureActions()).action_masks().all()
    env = LanguageVectorEnv(2, task="next_word", actions="embedding")
    with pytest.raises(ValueError, match="only discrete actions have masks"):
        env.action_masks()


def test_the_meaning_of_an_action_is_in_the_error():
    env = LanguageVectorEnv(1, task="next_word", actions=TemperatureActions())
    env.reset(seed=0)
    with pytest.raises(ValueError, match="Got action 2 in row 0; allowed: 0 to 1, temperatures"):
        env.step(np.array([2]))


def test_every_kind_of_the_library_derives_from_the_base():
    with pytest.raises(TypeError, match="abstract"):
        Actions()
