import json

import numpy as np
import pytest

from agents.config.loading import UserError
from agents.evaluate import evaluate, main, mbr_name
from agents.evaluation.comparison import summarize
from agents.train import train
from lm_envs.tasks.datasets import read_texts
from tests.agents.finished_run import CONFIG, changed


def test_all_policies_complete_the_same_held_out_prompts(tmp_path):
    train(CONFIG, tmp_path)
    written = evaluate([tmp_path / "test-s0"], "test", 5)
    prompts = {tuple(t.prompt for t in ts) for seeds in written.values() for ts in seeds}
    assert len(prompts) == 1


def test_a_run_learns_from_a_part_and_is_evaluated_on_a_part(tmp_path):
    env = CONFIG.env.model_copy(update={"split": "train[:1%]"})
    result = train(changed(env=env, total_timesteps=64), tmp_path)
    assert result["examples"] == len(read_texts("embedded", "train[:1%]"))
    written = evaluate([tmp_path / "test-s0"], "test[:2%]", 200)
    assert len(written["agent"][0]) == len(read_texts("embedded", "test[:2%]"))


def test_a_loaded_agent_has_the_held_out_reward_of_its_training(tmp_path):
    """Of an algorithm whose policy is not all that it keeps."""
    named = {"name": "ARS", "policy": None, "kwargs": {"n_delta": 4, "learning_rate": 1.0}}
    config = changed(algorithm=CONFIG.algorithm.model_copy(update=named))
    last = train(config, tmp_path)["held_out_reward"]
    written = evaluate([tmp_path / "test-s0"], "validation", config.evaluation.episodes)
    rewards = {
        name: np.mean([t.scores["reward"] for t in seeds[0]]) for name, seeds in written.items()
    }
    assert rewards["agent"] == pytest.approx(last, abs=1e-9)
    assert rewards["agent"] != pytest.approx(rewards["greedy"], abs=1e-3)  # as weights of 0 act


def test_runs_of_different_configurations_are_refused(tmp_path):
    for config in (changed(total_timesteps=64), changed(name="other", total_timesteps=128)):
        train(config, tmp_path)
    with pytest.raises(
        UserError,
        match=r"other-s0, which differs from .*test-s0 in more than its seed: name='other' \(there",
    ):
        evaluate([tmp_path / "test-s0", tmp_path / "other-s0"], "test", 5)


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"allowed: a run of agents\.train or"):
        evaluate([tmp_path], "test", 5)


def test_tuning_is_trained_and_compared_with_plans(tmp_path):
    kwargs = {"passages": 2, "adjustments": 3}
    env = {"id": "lm_envs/StructureSearch-v0", "n_envs": 4, "kwargs": kwargs}
    config = changed(env=CONFIG.env.model_validate(env), total_timesteps=64)
    train(config, tmp_path)
    assert "as it is" in (tmp_path / "test-s0" / "samples.md").read_text()
    written = evaluate([tmp_path / "test-s0"], "test", 5)
    policies = summarize(written)["policies"]
    assert set(policies) == {"agent", "random", "as it is", "each part tried"}
    assert policies["as it is"]["reward"]["mean"] == 0.0
    assert policies["each part tried"]["reward"]["mean"] > 0.0
    assert set(policies["agent"]) == {"reward", "loss", "saved", "steps"}


def test_the_most_typical_of_an_agents_texts_is_one_that_it_draws(tmp_path):
    train(changed(total_timesteps=64), tmp_path)
    folders = [tmp_path / "test-s0"]
    name = mbr_name(3)
    written, again = (evaluate(folders, "test", 5, mbr=3, only=["greedy"]) for _ in range(2))
    texts = [transcript.text for transcript in written[name][0]]
    assert texts == [transcript.text for transcript in again[name][0]]
    # An agent of 64 steps hardly prefers an action, so that what it draws is not what it takes.
    assert texts != [transcript.text for transcript in written["agent"][0]]
    assert [t.prompt for t in written[name][0]] == [t.prompt for t in written["agent"][0]]


def test_one_text_or_an_environment_without_text_has_no_most_typical_one(tmp_path):
    train(changed(total_timesteps=64), tmp_path)
    with pytest.raises(UserError, match="Got mbr=1; allowed: 2 or more"):
        evaluate([tmp_path / "test-s0"], "test", 5, mbr=1)


def test_the_strongest_baseline_is_named_with_its_difference(tmp_path, capsys):
    train(CONFIG, tmp_path)
    folder = tmp_path / "test-s0"
    main([folder], "test", 8)
    document = json.loads((folder / "evaluation" / "evaluation.json").read_text())
    baselines = document["baselines"]
    name = baselines["strongest"]
    assert baselines["chosen_on"] == "validation"
    assert name in document["agent_ahead"]
    shown = " ".join(capsys.readouterr().out.split())
    assert f"The strongest baseline, chosen on validation, is {name}" in shown
    scores = document["prompt_scores"]
    assert set(scores) == set(document["policies"])
    ahead = np.mean(scores["agent"]["reward"]) - np.mean(scores[name]["reward"])
    assert document["agent_ahead"][name]["mean"] == pytest.approx(ahead, abs=1e-5)
