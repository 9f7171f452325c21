"""A whole run that trains the language model itself."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from agents.config.finetune import FinetuneConfig, LoRAConfig, MaskConfig
from agents.config.loading import UserError, load_config
from agents.evaluation.stages import Stage, compare_seeds
from agents.finetune import finetune
from agents.language_model import finetuning, memory_estimate
from agents.language_model.finetuning import FinetuneRun
from agents.language_model.policy import LanguageModelPolicy
from agents.runs.files import write_jsonl
from agents.runs.folder import open_run
from tests.agents.finished_run import failing_at, metrics, power_cut

VALUES = {
    "name": "test",
    "env": {
        "id": "lm_envs/NextWord-v0",
        "n_envs": 4,
        "kwargs": {"max_new_tokens": 5, "prompt_tokens": 6},
    },
    "warm_start": {"steps": 2, "batch_size": 4},
    "value_warm_up": 32,
    "algorithm": {
        "name": "PPO",
        "kwargs": {"n_steps": 8, "batch_size": 16, "n_epochs": 1, "device": "cpu"},
    },
    "total_timesteps": 96,
    "evaluation": {"episodes": 4, "every": 32},
    "checkpoint_every": 32,
}


@pytest.fixture
def config(checkpoint):
    env = {**VALUES["env"], "kwargs": {**VALUES["env"]["kwargs"], "model": str(checkpoint)}}
    return FinetuneConfig.model_validate({**VALUES, "env": env})


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


def test_seeds_are_compared_by_stage_on_the_same_prompts(tmp_path):
    folders = [tmp_path / "test-s0", tmp_path / "test-s1"]
    for folder, better in zip(folders, (0.5, 0.7), strict=True):
        folder.mkdir()
        stages = {"base": [0.0, 0.2], "reinforced": [better, better + 0.2]}
        write_stages(folder, stages)
    found = compare_seeds(folders)
    assert "gain" not in found["base"]["reward"]
    reinforced = found["reinforced"]["reward"]
    assert reinforced["mean"] == pytest.approx(0.7)
    assert (reinforced["lowest"], reinforced["highest"]) == pytest.approx((0.6, 0.8))
    assert reinforced["interval"] == pytest.approx((0.5, 0.9))
    assert reinforced["gain"]["mean"] == pytest.approx(0.6)
    assert reinforced["gain"]["interval"] == pytest.approx((0.5, 0.7))  # the prompts cancel out
    with pytest.raises(UserError, match=r"test-s2, which holds no stages.jsonl"):
        compare_seeds([tmp_path / "test-s2"])
    write_stages(folders[1], {"base": [0.0]})
    with pytest.raises(UserError, match="other stages, measures or prompts"):
        compare_seeds(folders)


def write_stages(folder, rewards):
    rows = [Stage(name, {"reward": each}, []) for name, each in rewards.items()]
    write_jsonl(folder / "stages.jsonl", map(asdict, rows))


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


def test_a_run_that_reached_its_reward_does_not_go_on(config, tmp_path):
    """It is judged again, and that is all."""
    config = config.model_copy(update={"stop_at_reward": -10.0})
    folder = tmp_path / "test-s0"
    finetune(config, tmp_path)
    before, learned = weights(folder), [row for row in metrics(folder) if "kl_per_word" in row]
    assert [row["step"] for row in learned] == [32]
    finetune(config, tmp_path, resume=True)
    after = weights(folder)
    assert all(torch.equal(after[name], values) for name, values in before.items())
    assert [row for row in metrics(folder) if "kl_per_word" in row] == learned


def test_only_the_value_head_learns_in_its_warm_up(config, tmp_path):
    config = config.model_copy(update={"total_timesteps": 32})
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    before = [p.clone() for p in run.policy.network.parameters()]
    run.reinforce()
    assert all(map(torch.equal, before, run.policy.network.parameters()))
    assert run.policy.value_net.weight.abs().max() > 0


def test_gradient_checkpointing_changes_no_number(config, tmp_path):
    learned = []
    for is_on in (False, True):
        chosen = config.model_copy(update={"gradient_checkpointing": is_on, "value_warm_up": 0})
        folder = tmp_path / f"run-{is_on}"
        open_run(chosen, folder, resume=False)
        run = FinetuneRun(chosen, folder)
        run.reinforce()
        learned.append(run.policy.network.model.transformer.wpe.weight.detach().clone())
    torch.testing.assert_close(*learned)


def test_a_broken_loss_stops_before_the_weights_and_leaves_the_last_export(
    config, tmp_path, monkeypatch
):
    """A NaN advantage reaches the loss in the second update, after an export."""
    kept = {}

    class Broken(finetuning.EpisodeRolloutBuffer):
        def compute_returns_and_advantage(self, last_values, dones):
            super().compute_returns_and_advantage(last_values, dones)
            Broken.rollouts = getattr(Broken, "rollouts", 0) + 1
            if Broken.rollouts == 2:
                self.advantages[...] = float("nan")
                weights = tmp_path / "test-s0" / "model" / "model.safetensors"
                kept["export"] = weights.read_bytes()

    monkeypatch.setattr(finetuning, "EpisodeRolloutBuffer", Broken)
    steps = []
    step = torch.optim.Adam.step
    monkeypatch.setattr(
        torch.optim.Adam, "step", lambda self, *a, **k: (steps.append(1), step(self, *a, **k))[1]
    )
    config = config.model_copy(update={"value_warm_up": 0, "warm_start": None})
    with pytest.raises(FloatingPointError, match=r"gradient of network\.\S+ at step 64; allowed"):
        finetune(config, tmp_path)
    assert len(steps) == 2  # both minibatches of the first update, none of the second
    weights = tmp_path / "test-s0" / "model" / "model.safetensors"
    assert weights.read_bytes() == kept["export"]


def test_a_batch_that_does_not_fit_is_refused_before_the_first_update(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(memory_estimate, "available_memory", lambda device: 2**20)
    config = config.model_copy(update={"value_warm_up": 0, "warm_start": None})
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    before = [p.clone() for p in run.policy.parameters()]
    with pytest.raises(MemoryError, match="Got a batch of 16 steps"):
        run.reinforce()
    assert all(map(torch.equal, before, run.policy.parameters()))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("env.kwargs.actions=top_k", "kwargs.actions='top_k'; allowed: 'vocabulary'"),
        ("algorithm={name: DQN}", "name='DQN'; allowed: PPO, A2C"),
        ("algorithm.kwargs.policy_kwargs={}", "policy_kwargs is set by the run itself"),
        ("algorithm.kwargs.learning_rate=lin_1.0e-3", "learning_rate is text"),
        ("mask={every: 3}", "a mask without top_k and top_p"),
        ("lora={layers: [c_atn]}", "layers='c_atn'"),
        ("kl.coefficient=-1.0", "kl.coefficient=-1.0"),
        ("kl.weight=1.0", "unknown key 'kl.weight' .* allowed: coefficient, target, estimator"),
    ],
)
def test_what_does_not_fit_is_refused(assignment, message):
    path = Path(__file__).parents[2] / "configs" / "next_word_lm_ppo.yaml"
    with pytest.raises(UserError, match=message):
        load_config(FinetuneConfig, path, [assignment])


def test_a_language_model_is_the_policy_of_a2c_too(config, tmp_path):
    algorithm = {"name": "A2C", "kwargs": {"n_steps": 8, "device": "cpu"}}
    config = FinetuneConfig.model_validate({**config.model_dump(), "algorithm": algorithm})
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    run.reinforce()
    assert isinstance(run.policy, LanguageModelPolicy)
    assert run.agent.num_timesteps == 96
