"""The model card: what the hub and a reader find in it."""

import json

import yaml

from agents.push.card import card
from agents.runs.finished import read_finished


def made(run_folder, **options):
    return card(run_folder, read_finished(run_folder), "me/agent", step=64, **options)


def header(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_a_card_has_task_reward_curve_command_and_versions(run_folder):
    text = made(run_folder, has_curve=True)
    assert "A PPO agent for `lm_envs/NextWord-v0`" in text
    assert "| greedy | " in text
    assert "(reward.png)" in text
    assert "python -m agents.train config.yaml" in text
    assert "- torch: " in text
    assert 'agents.load_from_hub("me/agent")' in text
    assert "(reward.png)" not in made(run_folder, has_curve=False)


def test_the_hub_finds_library_and_reward_in_the_header(run_folder):
    found = header(made(run_folder, has_curve=True))
    reward = json.loads((run_folder / "result.json").read_text())["held_out_reward"]
    assert found["library_name"] == "lm_envs"
    (result,) = found["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "mean_reward", "value": round(reward, 4)}]
    assert result["dataset"]["name"] == "lm_envs/NextWord-v0, validation"


def test_an_evaluation_replaces_the_numbers_of_the_training(run_folder, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(run_folder, run)
    (run / "evaluation").mkdir(exist_ok=True)
    scores = {"agent": {"reward": {"mean": 0.5, "interval": [0.4, 0.6]}}}
    document = {"policies": scores, "split": "test", "prompts": 7}
    (run / "evaluation" / "evaluation.json").write_text(json.dumps(document))
    text = made(run, has_curve=True)
    assert "| agent | 0.500 | 0.400 to 0.600 |" in text
    assert header(text)["model-index"][0]["results"][0]["metrics"][0]["value"] == 0.5
