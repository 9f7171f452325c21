"""A whole run that trains the language model itself."""

import gc
import json

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import agents
from agents.config.finetune import LoRAConfig, MaskConfig
from agents.config.loading import UserError
from agents.finetune import finetune
from agents.language_model import finetuning
from agents.language_model.policy import LanguageModelPolicy
from tests.agents.finetune_run import small_config
from tests.agents.finished_run import failing_at, metrics, power_cut


@pytest.fixture
def config(checkpoint):
    return small_config(checkpoint)


def test_a_run_leaves_a_model_its_measures_and_samples(config, tmp_path):
    result = finetune(config, tmp_path)
    folder = tmp_path / "test-s0"
    assert set(result["stages"]) == {"base", "warm start", "reinforced"}
    for measures in result["stages"].values():
        low, high = measures["reward"]["interval"]
        assert low <= measures["reward"]["mean"] <= high
        assert {"kl", "base_logprob", "drawn_reward"} < set(measures)
    log = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in log if "kl_per_word" in row] == [32, 64, 96]
    assert [row["step"] for row in log if "held_out" in row] == [0, 0, 32, 64, 96]
    assert (folder / "samples.md").read_text().count("- reinforced") == 4
    assert AutoModelForCausalLM.from_pretrained(folder / "model").config.vocab_size == 700
    with pytest.raises(UserError, match="Got a run at"):
        finetune(config, tmp_path)


def test_without_steps_only_the_stages_before_reinforcement_learning_run(config, tmp_path):
    result = finetune(config.model_copy(update={"total_timesteps": 0}), tmp_path)
    assert result["steps"] == 0
    assert set(result["stages"]) == {"base", "warm start"}
    rewards = {name: each["reward"]["mean"] for name, each in result["stages"].items()}
    assert rewards["base"] != rewards["warm start"]
    whole = finetune(config.model_copy(update={"name": "whole"}), tmp_path)
    assert whole["stages"]["warm start"] == result["stages"]["warm start"]
    supervised, reinforced = (weights(tmp_path / name) for name in ("test-s0", "whole-s0"))
    assert any(not torch.equal(each, reinforced[name]) for name, each in supervised.items())


@pytest.mark.parametrize("options", [{"total_timesteps": 0}, {"stop_at_reward": -10.0}])
def test_a_run_without_a_step_can_be_loaded_and_go_on(config, tmp_path, options):
    """Regression: it left no checkpoint, so that the command it printed was refused."""
    finetune(config.model_copy(update=options), tmp_path)
    loaded = agents.load(tmp_path / "test-s0", num_envs=2)
    observations, _ = loaded.env.reset(seed=0)
    assert loaded.policy(observations).shape == (2,)
    finetune(config, tmp_path, resume=True)
    assert [row["step"] for row in metrics(tmp_path / "test-s0") if "warm_start" in row] == [0]


def weights(folder):
    return load_file(folder / "model" / "model.safetensors")


@pytest.mark.parametrize(
    "options", [{}, {"mask": MaskConfig(top_k=4, every=2)}, {"lora": LoRAConfig(rank=2)}]
)
def test_a_resumed_run_is_the_uninterrupted_run_bit_for_bit(config, tmp_path, monkeypatch, options):
    """It dies at step 88, after the checkpoint at 64, and other draws happen then."""
    config = config.model_copy(update=options)
    whole = finetune(config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(finetuning, "make_training_env", failing_at(88, power_cut))
        with pytest.raises(KeyboardInterrupt):
            finetune(config, tmp_path / "cut")
    torch.manual_seed(99)
    resumed = finetune(config, tmp_path / "cut", resume=True)
    assert resumed["stages"] == whole["stages"]
    folders = [tmp_path / name / "test-s0" for name in ("whole", "cut")]
    expected, found = map(weights, folders)
    assert all(torch.equal(found[name], values) for name, values in expected.items())
    assert metrics(folders[1]) == metrics(folders[0])
    for name in ("samples.md", "model/README.md"):
        assert (folders[1] / name).read_text() == (folders[0] / name).read_text()


def test_a_finished_run_goes_on_with_a_larger_budget_only(config, tmp_path):
    finetune(config, tmp_path)
    larger = config.model_copy(update={"total_timesteps": 128})
    assert finetune(larger, tmp_path, resume=True)["steps"] == 128
    rows = metrics(tmp_path / "test-s0")
    assert [row["step"] for row in rows if row.get("stage") == "reinforced"] == [128]
    judged = config.evaluation.model_copy(update={"episodes": 2})
    with pytest.raises(UserError, match=r"evaluation.episodes=2 \(stored: 4\)"):
        finetune(larger.model_copy(update={"evaluation": judged}), tmp_path, resume=True)


def test_a_start_that_reaches_the_reward_is_not_trained_on(config, tmp_path):
    """Regression: the target was first looked at after an update."""
    result = finetune(config.model_copy(update={"stop_at_reward": -10.0}), tmp_path)
    assert result["steps"] == 0
    assert not [row for row in metrics(tmp_path / "test-s0") if "kl_per_word" in row]
    assert result["stages"]["reinforced"]["reward"] == result["stages"]["warm start"]["reward"]


def test_a_run_that_reached_its_reward_does_not_go_on(config, tmp_path):
    """It is judged again, and that is all."""
    folder = tmp_path / "test-s0"
    finetune(config.model_copy(update={"total_timesteps": 64}), tmp_path)
    before, learned = weights(folder), [row for row in metrics(folder) if "kl_per_word" in row]
    assert [row["step"] for row in learned] == [32, 64]
    config = config.model_copy(update={"stop_at_reward": -10.0})
    finetune(config, tmp_path, resume=True)
    after = weights(folder)
    assert all(torch.equal(after[name], values) for name, values in before.items())
    assert [row for row in metrics(folder) if "kl_per_word" in row] == learned


def policies():
    return [each for each in gc.get_objects() if isinstance(each, LanguageModelPolicy)]


def test_a_finished_run_leaves_no_policy_in_memory(config, tmp_path):
    """Regression: each `finetune()` of a process kept its agent, held by hooks of the NaN guard."""
    gc.collect()
    before = {id(each) for each in policies()}
    for number in range(2):
        finetune(config.model_copy(update={"name": f"run{number}"}), tmp_path)
    gc.collect()
    assert not [each for each in policies() if id(each) not in before]
