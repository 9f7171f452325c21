import pytest
import torch
from transformers import AutoModelForCausalLM

from agents.config.finetune import FinetuneConfig
from agents.finetune import finetune
from agents.language_model import finetuning
from agents.language_model.finetuning import FinetuneRun, with_one_precision
from agents.language_model.policy import LanguageModelPolicy
from agents.runs.folder import open_run
from lm_envs.model import loading
from tests.agents.finetune_run import small_config


@pytest.fixture
def config(checkpoint):
    return small_config(checkpoint)


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


def test_a_device_of_the_policy_that_is_not_there_is_refused(config, tmp_path):
    kwargs = {**config.algorithm.kwargs, "device": "cuda:99"}
    algorithm = config.algorithm.model_copy(update={"kwargs": kwargs})
    chosen = config.model_copy(update={"algorithm": algorithm})
    open_run(chosen, tmp_path / "run", resume=False)
    with pytest.raises(ValueError, match="device='cuda:99', which is not available here"):
        FinetuneRun(chosen, tmp_path / "run")


STAGES = {
    "warm_start": {"steps": 2, "learning_rate": 1e-3, "batch_size": 4},
    "mask": {"top_k": 50, "every": 1},
    "kl": {"coefficient": 0.1},
}


@pytest.mark.parametrize("lora", [None, {"rank": 2}])
def test_a_llama_is_trained_by_all_stages_and_exported(llama_checkpoint, tmp_path, lora):
    config = small_config(llama_checkpoint, **STAGES, lora=lora)
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    before = run.policy.network(torch.arange(1, 9)[None]).detach()
    run.start()
    run.reinforce()
    run.export()
    assert [stage.stage for stage in run.stages] == ["base", "warm start", "reinforced"]
    observations = run.agent.env.reset()
    for _ in range(6):
        observations = run.agent.env.step(run.policy.predict(observations)[0])[0]
    assert abs(run.agent.env.divergence) > 1e-4
    exported = AutoModelForCausalLM.from_pretrained(tmp_path / "run" / "model")
    with torch.no_grad():
        hidden = exported.model(torch.arange(1, 9)[None]).last_hidden_state
        trained = run.policy.network(torch.arange(1, 9)[None])
    torch.testing.assert_close(hidden, trained, rtol=0, atol=2e-5)
    assert not torch.allclose(trained, before, atol=1e-4)
    again = loading.load(tmp_path / "run" / "model", "cpu", "float32")
    assert torch.equal(again.head_weights, exported.lm_head.weight)


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


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", None])
def test_an_untrained_policy_pays_no_kl_penalty_in_any_dtype(config, tmp_path, dtype):
    """Regression: rollouts were in float32 beside a frozen model in bfloat16."""
    kwargs = {**config.env.kwargs, "model": "embedded"} | (
        {} if dtype is None else {"dtype": dtype}
    )
    env = config.env.model_copy(update={"kwargs": kwargs})
    run = FinetuneRun(config.model_copy(update={"env": env}), tmp_path)
    observations = run.agent.env.reset()
    for _ in range(6):
        tokens, _ = run.policy.predict(observations)
        observations = run.agent.env.step(tokens)[0]
    assert abs(run.agent.env.divergence) < 5e-5  # rounding of float32; it was 0.001 and more


def test_without_a_dtype_bfloat16_selects_that_of_environment_and_rollouts(config):
    rounded = config.model_copy(update={"bfloat16": True})
    assert with_one_precision(config).env.kwargs["dtype"] == "float32"
    assert with_one_precision(rounded) == rounded


def test_the_policy_is_on_the_device_of_the_environment(config, tmp_path, monkeypatch):
    """Regression: Stable-Baselines3's "auto" chose another device than the environment's."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    kwargs = {name: v for name, v in config.algorithm.kwargs.items() if name != "device"}
    algorithm = config.algorithm.model_copy(update={"kwargs": kwargs})
    run = FinetuneRun(config.model_copy(update={"algorithm": algorithm}), tmp_path)
    assert run.agent.device.type == "cpu"  # of LM_ENVS_DEVICE


def test_a_language_model_is_the_policy_of_a2c_too(config, tmp_path):
    algorithm = {"name": "A2C", "kwargs": {"n_steps": 8, "device": "cpu"}}
    config = FinetuneConfig.model_validate({**config.model_dump(), "algorithm": algorithm})
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    run.reinforce()
    assert isinstance(run.policy, LanguageModelPolicy)
    assert run.agent.num_timesteps == 96


@pytest.mark.parametrize("advantage", ["group", "rloo"])
def test_rows_of_a_group_write_one_prompt_and_advantages_are_not_normalized(
    config, tmp_path, advantage
):
    config = FinetuneConfig.model_validate(
        {**config.model_dump(), "advantage": advantage, "group_size": 2, "value_warm_up": 0}
    )
    open_run(config, tmp_path / "run", resume=False)
    run = FinetuneRun(config, tmp_path / "run")
    run.env.reset()
    prompts = [info["prompt"] for info in run.env.reset_infos]
    assert prompts[0] == prompts[1] != prompts[2] == prompts[3]
    assert run.agent.normalize_advantage is False
    before = run.policy.network.model.transformer.wpe.weight.detach().clone()
    run.reinforce()
    assert not torch.equal(run.policy.network.model.transformer.wpe.weight, before)
