"""Environments whose actions adjust the model."""

import gymnasium as gym
import numpy as np
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.sb3 import make_language_vec_env

SMALL = {
    "WeightTuning": {"passages": 3, "adjustments": 4},
    "StructureSearch": {"passages": 3, "adjustments": 4},
    "TrainingControl": {"passages": 6, "adjustments": 2, "optimiser_steps": 1},
}
ROWS, STEPS = 3, 9
HEADS, LAYERS = 4, 4


def make(name, **options):
    return gym.make(f"lm_envs/{name}-v0", **SMALL[name] | options)


def make_batch(name, num_rows=ROWS, mode="same_step", **options):
    kwargs = SMALL[name] | options
    return gym.make_vec(f"lm_envs/{name}-v0", num_envs=num_rows, autoreset_mode=mode, **kwargs)


def some_actions(env, steps=STEPS):
    env.action_space.seed(5)
    return [env.action_space.sample() for _ in range(steps)]


@pytest.mark.parametrize("name", SMALL)
def test_rows_replay_the_single_environment(name):
    batch = make_batch(name)
    singles = [make(name) for _ in range(ROWS)]
    observations, _ = batch.reset(seed=11)
    for row, env in enumerate(singles):
        np.testing.assert_array_equal(observations[row], env.reset(seed=11 + row)[0])
    for actions in some_actions(batch):
        observations, rewards, terminated, _, infos = batch.step(actions)
        for row, env in enumerate(singles):
            observation, reward, is_over, _, info = env.step(actions[row])
            assert (rewards[row], terminated[row]) == (reward, is_over)
            if is_over:
                np.testing.assert_array_equal(infos["final_obs"][row], observation)
                final = infos["final_info"]["scores"]
                assert {key: final[key][row] for key in info["scores"]} == info["scores"]
                observation, _ = env.reset()
            np.testing.assert_array_equal(observations[row], observation)


def test_a_model_is_judged_by_part_of_a_split():
    whole, half = (
        make_batch("WeightTuning", split=f"validation{part}").unwrapped.num_examples
        for part in ("", "[:50%]")
    )
    assert half == pytest.approx(whole / 2, abs=1)


@pytest.mark.parametrize("name", SMALL)
def test_rewards_of_an_episode_add_up_to_its_score(name):
    env = make(name)
    env.reset(seed=0)
    total = 0.0
    for action in some_actions(env):
        _, reward, terminated, _, info = env.step(action)
        total += reward
        if terminated:
            break
    assert total == pytest.approx(info["scores"]["reward"], abs=1e-9)
    assert info["ending"] in ("budget", "complete")


@pytest.mark.parametrize("name", SMALL)
def test_a_restored_environment_goes_on_as_before(name):
    env, other = make_batch(name), make_batch(name)
    env.reset(seed=3)
    *before, first, second = some_actions(env, 5)
    for actions in before:
        env.step(actions)
    state = env.unwrapped.get_state()
    expected = [env.step(first), env.step(second)]
    other.reset(seed=99)
    np.testing.assert_array_equal(
        other.unwrapped.set_state(state), make_batch(name).unwrapped.set_state(state)
    )
    for actions, step in zip((first, second), expected, strict=True):
        observations, rewards, terminated, _, infos = other.step(actions)
        np.testing.assert_array_equal(observations, step[0])
        np.testing.assert_array_equal(rewards, step[1])
        np.testing.assert_array_equal(terminated, step[2])
        assert infos["text"].tolist() == step[4]["text"].tolist()


@pytest.mark.parametrize("name", SMALL)
def test_a_state_of_other_arguments_is_refused_and_nothing_changes(name):
    env = make_batch(name)
    before, _ = env.reset(seed=3)
    state = env.unwrapped.get_state()
    state["episodes"][1]["index"] = 10**6
    with pytest.raises(ValueError, match="row 1 is of an environment with other arguments"):
        env.unwrapped.set_state(state)
    foreign = make_batch(name, passages=4)
    foreign.reset(seed=3)
    wrong = {
        "not of 3 tuned rows": {"episodes": {}},
        "row 0 is of an env": {"episodes": foreign.unwrapped.get_state()["episodes"]},
        r"over has shape \(2,\)": {"over": state["over"][:2]},
        "allowed: 3 rows": {"generators": state["generators"][:2]},
        "not of tuned rows: without": {"episodes": [{}, {}, {}]},
        "not of tuned rows, but int": {"episodes": [1, 2, 3]},
        "generator of row 0": {"generators": [{}, {}, {}]},
    }
    for message, part in wrong.items():
        with pytest.raises(ValueError, match=message):
            env.unwrapped.set_state(env.unwrapped.get_state() | part)
    np.testing.assert_array_equal(env.unwrapped.observe(), before)


@pytest.mark.parametrize("name", SMALL)
def test_a_state_of_another_environment_is_refused_and_nothing_changes(name):
    """Regression: an empty state was a KeyError."""
    env = make(name).unwrapped
    before, _ = env.reset(seed=3)
    writing, other = gym.make("lm_envs/NextWord-v0").unwrapped, make(name).unwrapped
    writing.reset(seed=3)
    other.reset(seed=3)
    state = other.get_state()
    actions = [["x"], [None], [{}], [[0.0] * 99], 3]
    own = state["episodes"][0]
    states = [
        *({}, None, writing.get_state()),
        *(state | {"episodes": [own | {"actions": each}]} for each in actions),
        state | {"episodes": [own | {"index": "x"}]},
    ]
    for wrong in states:
        with pytest.raises(ValueError, match="Got a state"):
            env.set_state(wrong)
        np.testing.assert_array_equal(env.batch.observe()[0], before)
    with pytest.raises(
        ValueError, match="Got a state that is not of an environment that writes text"
    ):
        writing.set_state(state)


@pytest.mark.parametrize("name", SMALL)
def test_stable_baselines3_sees_losses_and_ends(name):
    venv = make_language_vec_env(f"lm_envs/{name}-v0", ROWS, 0, **SMALL[name])
    venv.reset()
    assert all("passages of" in info["prompt"] for info in venv.reset_infos)
    for actions in some_actions(venv.vector_env):
        _, rewards, dones, infos = venv.step(actions)
        assert all(np.isfinite(info["loss"]) for info in infos)
        for row in np.flatnonzero(dones):
            assert infos[row]["episode"]["r"] == pytest.approx(
                infos[row]["scores"]["reward"], abs=1e-5
            )
    assert rewards.dtype == np.float32


@pytest.mark.parametrize("name", SMALL)
def test_a_row_that_only_begins_is_paid_nothing(name):
    """Regression: sums were rounded in rows that had not acted."""
    env = make_batch(name, mode="next_step")
    env.reset(seed=4)
    over = np.zeros(ROWS, bool)
    for actions in some_actions(env, 3 * STEPS):
        _, rewards, terminated, truncated, _ = env.step(actions)
        assert (rewards[over] == 0.0).all()
        over = terminated | truncated


def test_nothing_is_told_before_the_first_reset():
    env = make_batch("StructureSearch").unwrapped
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.get_state()


@pytest.mark.parametrize("name", SMALL)
def test_an_index_pins_the_passages(name):
    env = make(name)
    _, first = env.reset(options={"index": 2})
    _, again = env.reset(seed=1, options={"index": 2})
    assert first["prompt"] == again["prompt"] != env.reset(options={"index": 1})[1]["prompt"]
    with pytest.raises(ValueError, match="Got index -1"):
        env.reset(options={"index": -1})
    with pytest.raises(ValueError, match="allowed: reset_mask, index"):
        env.reset(options={"prompt": "a text"})


def test_a_step_limit_truncates():
    env = make("WeightTuning", max_steps=2)
    env.reset(seed=0)
    nothing = np.zeros(env.action_space.shape, np.float32)
    assert env.step(nothing)[2:4] == (False, False)
    *_, terminated, truncated, info = env.step(nothing)
    assert (terminated, truncated, info["ending"]) == (False, True, "time_limit")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("WeightTuning", {"adjustments": 0}, "adjustments=0"),
        ("WeightTuning", {"parts": "neurons"}, "parts='neurons'"),
        ("WeightTuning", {"task": "chess"}, "task='chess'"),
        (
            "WeightTuning",
            {"task": "dialogue"},
            "task='dialogue', which has several turns; allowed: tasks",
        ),
        ("WeightTuning", {"task": "translation", "mode": "simultaneous"}, "leave it out"),
        ("WeightTuning", {"passages": 0}, "passages=0"),
        ("WeightTuning", {"passages": 5000}, "allowed: up to"),
        ("WeightTuning", {"modus": "extractive"}, "Did you mean 'mode'"),
        ("WeightTuning", {"dataset": 3}, "dataset=3"),
        ("WeightTuning", {"model": 3}, "model=3"),
        ("WeightTuning", {"prompt_tokens": 1200}, "reads at most 256"),
        ("StructureSearch", {"ruin": 0.0}, "ruin=0.0"),
        ("WeightTuning", {"rewards": {"fluency": 1.0}}, "'rewards'"),
        ("StructureSearch", {"price": float("nan")}, "price=nan"),
        ("StructureSearch", {"max_steps": 0}, "max_steps=0"),
        ("TrainingControl", {"passages": 1}, "passages=1"),
        ("TrainingControl", {"optimiser_steps": 0}, "optimiser_steps=0"),
        ("TrainingControl", {"dtype": "int8"}, "dtype='int8' for training"),
        ("TrainingControl", {"autoreset_mode": "never"}, "autoreset_mode='never'"),
    ],
)
def test_bad_arguments_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        gym.make_vec(f"lm_envs/{name}-v0", num_envs=1, **SMALL[name] | options)


@pytest.mark.parametrize("name", SMALL)
def test_an_action_outside_the_space_is_refused_and_changes_nothing(name):
    env = make_batch(name)
    before, _ = env.reset(seed=0)
    wrong = env.action_space.sample()
    wrong[1] = 99
    with pytest.raises(ValueError, match="in row 1; allowed"):
        env.step(wrong)
    np.testing.assert_array_equal(env.unwrapped.observe(), before)


class TestWeightTuning:
    def test_a_knob_turned_back_restores_the_loss(self):
        env = make("WeightTuning")
        env.reset(seed=0)
        action = np.zeros(env.action_space.shape, np.float32)
        action[[0, 3]] = (1.0, -1.0)
        _, there, *_ = env.step(action)
        _, back, *_ = env.step(-action)
        assert there != 0.0
        assert there + back == pytest.approx(0.0, abs=1e-9)

    def test_knobs_stay_between_minus_1_and_1(self):
        env = make("WeightTuning", adjustments=8)
        env.reset(seed=0)
        for _ in range(6):
            observation, *_ = env.step(np.ones(env.action_space.shape, np.float32))
        np.testing.assert_array_equal(observation[: env.action_space.shape[0]], 1.0)

    @pytest.mark.parametrize(("parts", "size"), [("blocks", 2), ("heads", HEADS + 1)])
    def test_there_is_a_knob_a_part_and_one_for_the_temperature(self, parts, size):
        env = make("WeightTuning", parts=parts)
        assert env.action_space.shape == (1 + LAYERS * size,)

    def test_there_are_no_masks(self):
        with pytest.raises(ValueError, match="only discrete ones have masks"):
            make("WeightTuning").unwrapped.action_masks()


class TestStructureSearch:
    def test_masks_leave_out_what_is_out_and_taking_it_again_does_nothing(self):
        env = make("StructureSearch").unwrapped
        env.reset(seed=0)
        env.step(2)
        assert not env.action_masks()[2]
        assert env.action_masks().sum() == LAYERS * (HEADS + 1)
        _, reward, *_ = env.step(2)
        assert reward == 0.0

    def test_what_is_saved_is_the_share_of_products(self):
        env = make("StructureSearch", price=3.0)
        env.reset(seed=0)
        _, reward, *_, info = env.step(1 + HEADS + 2)  # a head: 1/4 of 1/3 of a layer
        fall = 3.0 / 48 - reward
        _, _, terminated, _, final = env.step(0)
        assert terminated
        assert final["ending"] == "complete"
        assert final["scores"]["saved"] == pytest.approx(1 / 48)
        assert final["scores"]["reward"] == pytest.approx(3.0 / 48 - fall)
        assert final["scores"]["loss"] == info["loss"]

    def test_a_ruined_model_ends_the_episode(self):
        env = make("StructureSearch")
        env.reset(seed=0)
        _, reward, terminated, *_ = env.step(1 + HEADS)  # the first perceptron
        assert terminated
        assert reward == pytest.approx(-1.0 + 2 / 3 / LAYERS)

    def test_trying_each_part_is_as_good_as_every_single_removal(self):
        env = make("StructureSearch", adjustments=16)
        env.reset(options={"index": 0})
        total, is_over = 0.0, False
        while not is_over:
            _, reward, is_over, *_ = env.step(int(env.unwrapped.batch.tuner.best()[0]))
            total += reward
        singles = []
        for action in range(1, 1 + LAYERS * (HEADS + 1)):
            env.reset(options={"index": 0})
            singles.append(env.step(action)[1])
        assert total >= max(singles) > 0.0


class TestTrainingControl:
    def test_before_the_first_step_nothing_learned_has_fallen(self):
        env = make("TrainingControl", passages=16)  # a batch of half of them
        env.reset(seed=0)
        observation, *_ = env.step(self.action(0.0))
        assert observation[1] == pytest.approx(0.0, abs=1e-4)

    def action(self, rate, stop=-1.0, frozen=()):
        action = np.full(3 + LAYERS, -1.0, np.float32)
        action[:2] = (stop, rate)
        action[[3 + layer for layer in frozen]] = 1.0
        return action

    def test_training_lowers_the_loss_of_what_it_never_read(self):
        env = make("TrainingControl", split="validation", passages=32, optimiser_steps=4)
        env.reset(seed=0)
        _, reward, *_ = env.step(self.action(0.25))
        assert reward > 0.1

    def test_frozen_layers_cost_less(self):
        costs = []
        for frozen in ((), range(LAYERS)):
            env = make("TrainingControl")
            env.reset(seed=0)
            env.step(self.action(-1.0, frozen=frozen))
            *_, info = env.step(self.action(-1.0, stop=1.0))
            costs.append(info["scores"]["cost"])
        layer = 12 * 256**2
        share = LAYERS * layer / (LAYERS * layer + 6144 * 256)
        assert costs == pytest.approx([1.0, 1.0 - share / 3])

    def test_to_stop_costs_nothing_and_changes_nothing(self):
        env = make("TrainingControl")
        env.reset(seed=0)
        _, reward, terminated, _, info = env.step(self.action(1.0, stop=1.0))
        assert (reward, terminated, info["text"]) == (0.0, True, "stop\n")
