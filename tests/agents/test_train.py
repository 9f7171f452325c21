import csv
import json
import re
import shutil

import gymnasium as gym
import numpy as np
import pytest
import torch
import yaml
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

import agents.train
from agents.config.loading import UserError, load_config
from agents.config.train import ALGORITHMS, TrainConfig
from agents.evaluation.rollouts import evenly_spaced_indices
from agents.runs.checkpoints import CHECKPOINT
from agents.runs.finished import load
from agents.runs.manifest import MANIFEST
from agents.train import train
from tests.agents.exact_state import configured, fitted_reducer
from tests.agents.finished_run import CONFIG, changed, failing_at, metrics, power_cut


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Folder of a whole run; only read."""
    runs = tmp_path_factory.mktemp("whole")
    train(CONFIG, runs)
    return runs / "test-s0"


@pytest.fixture(scope="module")
def resumed(tmp_path_factory):
    """Folder of a run killed at step 240, after its checkpoint at 128, and resumed; only read."""
    runs = interrupted(tmp_path_factory.mktemp("cut"), 240)
    assert [row["step"] for row in metrics(runs / "test-s0")] == [0, 64, 128, 192]
    train(CONFIG, runs, resume=True)
    return runs / "test-s0"


@pytest.fixture
def finished(uninterrupted, tmp_path):
    """A copy of the whole run."""
    return shutil.copytree(uninterrupted, tmp_path / "test-s0")


def interrupted(runs, step, config=CONFIG, fail=power_cut, error=KeyboardInterrupt):
    """Trains until a step, dies there, and lets other draws happen; the folder of runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agents.train, "make_training_env", failing_at(step, fail))
        with pytest.raises(error):
            train(config, runs)
    np.random.seed(99)
    torch.manual_seed(99)
    return runs


def searching(policy="LinearPolicy", **updates):
    """The configuration with ARS, whose updates take up to 40 steps of 4 rows."""
    kwargs = {"n_delta": 4, "zero_policy": False}
    named = {"name": "ARS", "policy": policy, "kwargs": kwargs}
    return changed(algorithm=CONFIG.algorithm.model_copy(update=named), **updates)


def weights(folder):
    return torch.load(folder / CHECKPOINT, weights_only=True)["parameters"]["policy"]


def seconds(folder):
    return [json.loads(line)["seconds"] for line in (folder / "metrics.jsonl").open()]


def progress(folder):
    """Rows of progress.csv without the clock and without iterations, which SB3 counts anew."""
    clocks = {"time/fps", "time/time_elapsed", "time/iterations"}
    with (folder / "progress.csv").open(newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert all(None not in row and None not in row.values() for row in rows)
    return [{k: float(v or "nan") for k, v in r.items() if k not in clocks} for r in rows]


def test_a_run_folder_holds_everything(uninterrupted):
    assert {
        *("config.yaml", "versions.json", "metrics.jsonl", "progress.csv"),
        *("reward.png", "samples.md", CHECKPOINT),
    } <= {path.name for path in uninterrupted.iterdir()}
    assert [row["step"] for row in metrics(uninterrupted)] == [0, 64, 128, 192, 256]
    assert not list(uninterrupted.glob("*.tmp"))


def test_a_resumed_run_is_the_uninterrupted_run_bit_for_bit(uninterrupted, resumed):
    assert weights(resumed).keys() == weights(uninterrupted).keys()
    for name, values in weights(uninterrupted).items():
        assert torch.equal(weights(resumed)[name], values), name


def test_a_resumed_run_has_the_metrics_of_the_uninterrupted_run(uninterrupted, resumed):
    """Regressions: step 192 stood there twice, and training_reward forgot earlier episodes."""
    assert metrics(resumed) == metrics(uninterrupted)
    assert seconds(resumed) == sorted(seconds(resumed))


def test_a_resumed_run_has_the_progress_of_the_uninterrupted_run(uninterrupted, resumed):
    """Regression: progress.csv was begun anew."""
    for mine, theirs in zip(progress(resumed), progress(uninterrupted), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("name", ["A2C", "TRPO", "MaskablePPO"])
def test_other_on_policy_algorithms_resume_bit_for_bit(tmp_path, name):
    algorithm = CONFIG.algorithm.model_copy(update={"name": name, "kwargs": {"n_steps": 32}})
    config = changed(algorithm=algorithm)
    train(config, tmp_path)
    runs = interrupted(tmp_path / "cut", 240, config)
    train(config, runs, resume=True)
    for key, values in weights(tmp_path / "test-s0").items():
        assert torch.equal(weights(runs / "test-s0")[key], values), key


@pytest.mark.parametrize("policy", ["LinearPolicy", "MlpPolicy"])
def test_a_random_search_resumes_bit_for_bit_with_its_logs(tmp_path, policy):
    config = searching(policy=policy)
    train(config, tmp_path)
    runs = interrupted(tmp_path / "cut", 240, config)
    train(config, runs, resume=True)
    whole, joined = tmp_path / "test-s0", runs / "test-s0"
    assert any(values.any() for values in weights(whole).values())
    for key, values in weights(whole).items():
        assert torch.equal(weights(joined)[key], values), key
    assert metrics(joined) == metrics(whole)
    for mine, theirs in zip(progress(joined), progress(whole), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-6, nan_ok=True)


def test_a_random_search_never_learns_from_a_reward_that_is_not_a_number(tmp_path):
    def poison(rewards, infos):
        rewards[2] = np.nan

    config = searching()
    train(config, tmp_path)
    runs = interrupted(tmp_path / "cut", 240, config, poison, FloatingPointError)
    train(config, runs, resume=True)
    for key, values in weights(tmp_path / "test-s0").items():
        assert torch.equal(weights(runs / "test-s0")[key], values), key


def test_a_random_search_stops_at_its_reward(tmp_path):
    """Its own loop ignores what callbacks say."""
    assert train(searching(stop_at_reward=-1.0, total_timesteps=10_000), tmp_path)["steps"] == 0


def test_samples_before_training_stay_those_of_the_untrained_agent(uninterrupted, resumed):
    """Regression: on resume, "before" was written by the resumed agent."""
    assert (resumed / "samples.md").read_text() == (uninterrupted / "samples.md").read_text()


def test_a_run_killed_before_its_first_checkpoint_begins_again(uninterrupted, tmp_path):
    """Regression: it could neither be resumed nor started."""
    runs = interrupted(tmp_path, 100)
    assert not (runs / "test-s0" / CHECKPOINT).exists()
    train(CONFIG, runs, resume=True)
    assert metrics(runs / "test-s0") == metrics(uninterrupted)
    for name, values in weights(uninterrupted).items():
        assert torch.equal(weights(runs / "test-s0")[name], values), name


def test_a_finished_run_goes_on_with_a_larger_budget(finished):
    train(changed(total_timesteps=384), finished.parent, resume=True)
    assert [row["step"] for row in metrics(finished)] == [0, 64, 128, 192, 256, 320, 384]
    stored = yaml.safe_load((finished / "config.yaml").read_text())
    assert stored["total_timesteps"] == 384


def test_the_clock_of_a_resumed_run_goes_on(finished):
    """Regression: `seconds` began at 0 again."""
    path = finished / CHECKPOINT
    state = torch.load(path, weights_only=True)
    state["notes"]["seconds"] = 1000.0
    torch.save(state, path)
    (finished / MANIFEST).unlink()
    train(changed(total_timesteps=320), finished.parent, resume=True)
    assert 1000.0 < seconds(finished)[-1] < 1100.0


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("algorithm.kwargs.n_steps=8", r"algorithm\.kwargs\.n_steps=8 \(stored: 16\)"),
        ("algorithm.kwargs.gamma=1.0", r"algorithm\.kwargs\.gamma=1\.0 \(stored: None\)"),
        ("total_timesteps=128", r"total_timesteps=128 .*allowed: the stored 256 or more"),
    ],
)
def test_resuming_with_another_configuration_is_refused(tmp_path, assignment, message):
    runs = interrupted(tmp_path / "cut", 20)
    path = tmp_path / "config.yaml"
    path.write_text((runs / "test-s0" / "config.yaml").read_text())
    before = path.read_text()
    with pytest.raises(UserError, match=message):
        train(load_config(TrainConfig, path, [assignment]), runs, resume=True)
    assert (runs / "test-s0" / "config.yaml").read_text() == before


def test_a_reward_that_is_not_a_number_never_reaches_the_agent(uninterrupted, tmp_path):
    """The checkpoint is untouched, and resuming from it ends where a whole run does."""
    path = tmp_path / "cut" / "test-s0" / CHECKPOINT
    kept = {}

    def poison(rewards, infos):
        kept["checkpoint"] = path.read_bytes()
        rewards[2] = np.nan
        infos[2]["scores"] = {"fluency": 0.5, "overlap": float("nan")}

    runs = interrupted(tmp_path / "cut", 160, fail=poison, error=FloatingPointError)
    assert path.read_bytes() == kept["checkpoint"]
    assert torch.load(path, weights_only=True)["num_timesteps"] == 128
    train(CONFIG, runs, resume=True)
    for name, values in weights(uninterrupted).items():
        assert torch.equal(weights(runs / "test-s0")[name], values), name


def test_exploding_weights_stop_the_run_and_leave_the_checkpoint(finished):
    """Regression: the message was that of a torch distribution, without step or weights."""
    path = finished / CHECKPOINT
    state = torch.load(path, weights_only=True)
    state["parameters"]["policy"]["value_net.weight"][0, 0] = 1.0e38
    torch.save(state, path)
    (finished / MANIFEST).unlink()
    before = path.read_bytes()
    with pytest.raises(FloatingPointError, match=r"in the gradient of \w+_net.* at step 320"):
        train(changed(total_timesteps=512), finished.parent, resume=True)
    assert path.read_bytes() == before


def test_a_target_reward_stops_training(tmp_path):
    config = changed(stop_at_reward=-1.0, total_timesteps=10_000)
    assert train(config, tmp_path)["steps"] == 0
    assert train(config, tmp_path, resume=True)["steps"] == 0


@pytest.mark.parametrize(
    ("updates", "sizes"),
    [({"total_timesteps": 64}, [8, 8, 8]), ({"stop_at_reward": -1.0}, [8, 8, 8, 6])],
)
def test_episodes_of_an_evaluation_at_the_last_step_are_not_run_again(
    tmp_path, monkeypatch, updates, sizes
):
    """A run that stops at its target takes a step after its evaluation."""
    run_episodes, counted = agents.train.run_episodes, []

    def counting(env, policy, indices):
        counted.append(len(indices))
        return run_episodes(env, policy, indices)

    monkeypatch.setattr(agents.train, "run_episodes", counting)
    config = changed(**updates)
    result, rollouts = agents.train.train_and_compare(config, tmp_path)
    assert counted == sizes  # samples of three agents, and held-out episodes where they are missing
    policy, env = load(tmp_path / "test-s0", num_envs=4)
    again = run_episodes(
        env, lambda _, seen: policy(seen), evenly_spaced_indices(env.num_examples, 6)
    )
    (seed,) = rollouts["agent"]
    assert [each.scores for each in seed] == [each.scores for each in again]
    assert [each.tokens.tolist() for each in seed] == [each.tokens.tolist() for each in again]
    assert result["held_out_reward"] == np.mean([each.scores["reward"] for each in seed])


def test_an_existing_run_is_not_overwritten(tmp_path):
    (tmp_path / "test-s0").mkdir()
    (tmp_path / "test-s0" / "metrics.jsonl").touch()
    with pytest.raises(UserError, match=r"Got a run at .* already; use --seed"):
        train(CONFIG, tmp_path)


def test_a_run_refused_at_its_start_does_not_keep_its_name(tmp_path):
    """Regression: the folder was claimed before the configuration had been tried."""
    env = CONFIG.env.model_copy(update={"id": "lm_envs/NextWrd-v0"})
    with pytest.raises((UserError, gym.error.Error)):
        train(changed(env=env), tmp_path)
    assert train(changed(total_timesteps=64), tmp_path)["steps"] >= 64


def test_resuming_nothing_is_refused(tmp_path):
    with pytest.raises(UserError, match="Got --resume, but there is no"):
        train(CONFIG, tmp_path, resume=True)


def test_an_algorithm_that_cannot_choose_such_actions_is_refused_first(tmp_path):
    algorithm = CONFIG.algorithm.model_copy(update={"name": "SAC", "kwargs": {}})
    with pytest.raises(UserError, match=r"needs continuous .* set env\.kwargs\.actions: embedding"):
        train(changed(algorithm=algorithm), tmp_path)
    assert not list(tmp_path.iterdir())


def test_examples_too_few_for_as_many_lines_as_are_held_out_are_refused(tmp_path):
    env = {"id": "lm_envs/QuestionAnswering-v0", "n_envs": 4, "kwargs": {"actions": "choices"}}
    few = CONFIG.env.model_validate(env | {"split": "validation[:0.5%]"})
    judged = CONFIG.evaluation.model_copy(update={"split": "test"})
    message = r"split='validation\[:0\.5%\]' of 3 examples.*Discrete\(4\)\. Take a larger part"
    with pytest.raises(UserError, match=message):
        train(changed(env=few, evaluation=judged), tmp_path)


def test_continuous_algorithms_train_and_resume_on_continuous_actions(tmp_path):
    kwargs = {"learning_starts": 16, "buffer_size": 200, "batch_size": 8}
    algorithm = CONFIG.algorithm.model_copy(update={"name": "SAC", "kwargs": kwargs})
    env = CONFIG.env.model_copy(update={"kwargs": {"max_new_tokens": 5, "actions": "embedding"}})
    config = changed(algorithm=algorithm, env=env, total_timesteps=64)
    assert train(config, tmp_path)["steps"] == 64
    longer = config.model_copy(update={"total_timesteps": 128})
    assert train(longer, tmp_path, resume=True)["steps"] == 128


def test_a_table_resumes_bit_for_bit(tmp_path):
    config = configured("TabularQ", fitted_reducer(tmp_path))
    train(config, tmp_path)
    runs = interrupted(tmp_path / "cut", 240, config)
    train(config, runs, resume=True)
    whole, joined = weights(tmp_path / "test-s0"), weights(runs / "test-s0")
    assert whole["visits"].sum() == config.total_timesteps
    for key, values in whole.items():
        assert torch.equal(joined[key], values), key


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "TabularQ"])
def test_every_algorithm_trains_and_resumes(tmp_path, name):
    is_off_policy = issubclass(ALGORITHMS[name].kind, OffPolicyAlgorithm)
    actions = "embedding" if ALGORITHMS[name].acts_on == "continuous" else "top_k"
    kwargs = {"buffer_size": 500, "learning_starts": 32} if is_off_policy else {"n_steps": 16}
    kwargs = {"n_delta": 2} if name == "ARS" else kwargs
    algorithm = CONFIG.algorithm.model_copy(update={"name": name, "kwargs": kwargs})
    env = CONFIG.env.model_copy(update={"kwargs": {"max_new_tokens": 5, "actions": actions}})
    for budget in (128, 256):
        config = changed(algorithm=algorithm, env=env, total_timesteps=budget)
        steps = train(config, tmp_path, resume=budget > 128)["steps"]
        assert budget <= steps <= budget + (16 if name == "ARS" else 0)  # whole episodes


def test_what_was_read_is_shown_before_a_run(tmp_path, capsys):
    train(changed(total_timesteps=64), tmp_path)
    shown = capsys.readouterr().err
    assert re.search(
        r"^train: \d+ examples, the longest prompt has \d+ of \d+ tokens$", shown, re.M
    )
    assert re.search(r"^validation: \d+ examples, the longest prompt", shown, re.M)


def test_few_reachable_targets_are_reported_before_a_run(tmp_path, capsys):
    actions = {"kind": "top_k", "k": 2}
    kwargs = {"mode": "closed_book", "actions": actions}
    questions = {"id": "lm_envs/QuestionAnswering-v0", "n_envs": 4, "kwargs": kwargs}
    env = CONFIG.env.model_validate(questions)
    train(changed(env=env, total_timesteps=64), tmp_path)
    shown = capsys.readouterr().err
    assert "validation: the candidates can write the target of" in shown
    assert "Warning: an agent cannot learn to write the others" in shown


def test_a_run_names_the_strongest_of_the_cheap_baselines(tmp_path):
    judged = CONFIG.evaluation.model_copy(update={"episodes": 8, "every": 64})
    result = train(changed(evaluation=judged, total_timesteps=64), tmp_path)
    assert result["chosen"]["chosen_on"] == "train"  # "validation" is evaluated
    assert result["chosen"]["strongest"] in result["baselines"]
    assert "no-repeat greedy" in result["baselines"]
