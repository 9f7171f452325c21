"""`python -m agents.finetune CONFIG`: trains GPT-2 itself on a language environment.

Owns the order of a run: supervised start, PPO, and what held-out texts say before, between and
after. The folder holds configuration, versions, metrics, figures, samples, and the model.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import gymnasium as gym
import numpy as np
import torch
import typer
import yaml
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

import lm_envs
from agents import finite
from agents.config import UserError, load_config, reported
from agents.files import append_jsonl, write_json, write_text
from agents.finetune_config import FinetuneConfig
from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.divergence import DivergencePenalty, divergence_of
from agents.language_model.export import save_pretrained
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.supervised import warm_start
from agents.records import METRICS
from agents.rollouts import run_episodes, spread
from agents.run_folder import CONFIG, versions
from agents.statistics import mean_interval
from agents.train import inline
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.sb3 import make_language_vec_env
from lm_envs.transcript import Transcript

gym.register_envs(lm_envs)

EVALUATION_ROWS = 64
NUM_SAMPLES = 10
MODEL = "model"
STAGES = ("frozen", "supervised", "reinforced")
WAYS = {"sampled": False, "greedy": True}
"""How held-out texts are written, and whether that is by the likeliest word."""

CARD = """---
library_name: transformers
pipeline_tag: text-generation
---
# {name}

GPT-2 `{base}`, fine-tuned by reinforcement learning on `{env}`
(`python -m agents.finetune`, {steps} words, seed {seed}).

Reward of held-out texts, sampled, mean and 95 % interval: frozen {frozen}, after the supervised
start {supervised}, after reinforcement {reinforced}. The reward: `{rewards}`. Divergence from the
frozen model: {divergence:.3f} nats per word.
"""


class Observer(BaseCallback):
    """Steers the penalty, judges, logs, and keeps the last good model.

    Args:
        config: Of the run.
        folder: Of the run.
        env: Held-out rows.
        penalty: Wrapped around the training rows.
    """

    def __init__(
        self,
        config: FinetuneConfig,
        folder: Path,
        env: LanguageVectorEnv,
        penalty: DivergencePenalty,
    ) -> None:
        super().__init__()
        self._config, self._folder, self._env, self._penalty = config, folder, env, penalty
        self._next = config.evaluation.every
        self._divergence = 0.0

    def _on_training_start(self) -> None:
        self._start = time.monotonic()
        finite.guard(self.model.policy, lambda: self.num_timesteps)

    def _on_step(self) -> bool:
        finite.check_rewards(self.locals["rewards"], self.locals["infos"], self.num_timesteps)
        return True

    def _on_rollout_end(self) -> None:
        self._divergence = self._penalty.adapt()
        self.logger.record("rollout/divergence", self._divergence)
        self.logger.record("rollout/divergence_coefficient", self._penalty.coefficient)

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next += self._config.evaluation.every
            self._report()

    def _report(self) -> None:
        policy = self.model.policy
        assert isinstance(policy, LanguageModelPolicy)
        scores = _means(judge(policy, self._env, self._config)["sampled"])
        recent = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        row = {
            "step": self.num_timesteps,
            "seconds": round(time.monotonic() - self._start, 1),
            "training_reward": float(np.mean(recent)) if recent else None,
            "held_out": scores,
            "divergence": self._divergence,
            "coefficient": self._penalty.coefficient,
        }
        append_jsonl(self._folder / METRICS, row)
        typer.echo(f"{row['step']} words: held-out reward {scores['reward']:+.3f}", err=True)


def finetune(config: FinetuneConfig, runs: Path) -> dict[str, Any]:
    """Trains and judges; what came of it.

    Raises:
        UserError: If the run folder is there already.
        FloatingPointError: If a reward, loss or weight is NaN or infinite; models written before
            are intact.
    """
    folder = runs / f"{config.name}-s{config.seed}"
    if folder.exists():
        raise UserError(f"Got a run at {folder} already; use --seed or --set name=….")
    folder.mkdir(parents=True)
    resolved = yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True)
    write_text(folder / CONFIG, resolved)
    write_json(folder / "versions.json", versions())
    held_out, penalty, agent = _make(config)
    policy = agent.policy
    assert isinstance(policy, LanguageModelPolicy)
    texts = {"frozen": judge(policy, held_out, config)}
    task = penalty.get_attr("task")[0]
    settings = config.warm_start.model_dump()
    losses = warm_start(policy, task, **settings, seed=config.seed)
    texts["supervised"] = judge(policy, held_out, config)
    started = time.monotonic()
    agent.learn(config.total_timesteps, callback=Observer(config, folder, held_out, penalty))
    seconds = time.monotonic() - started
    texts["reinforced"] = judge(policy, held_out, config)
    result = {
        "run": str(folder),
        "words": agent.num_timesteps,
        "seconds": round(seconds, 1),
        "supervised_loss": [losses[0], losses[-1]] if losses else None,
        "held_out": summarise(texts),
        "divergence": _interval(divergence_of(policy, texts["reinforced"]["sampled"])),
        "divergence_coefficient": penalty.coefficient,
    }
    write_json(folder / "result.json", {**result, "config": config.model_dump()})
    write_text(folder / "samples.md", _samples(texts))
    save_pretrained(policy, folder / MODEL, _card(config, result))
    return result


def judge(
    policy: LanguageModelPolicy, env: LanguageVectorEnv, config: FinetuneConfig
) -> dict[str, list[Transcript]]:
    """Held-out texts, sampled and greedy; the random state of training is left alone."""
    indices = spread(env.task.num_examples, config.evaluation.episodes)
    texts = {}
    with torch.random.fork_rng(devices=[]):
        for way, is_greedy in WAYS.items():
            torch.manual_seed(0)
            texts[way] = run_episodes(
                env,
                lambda env, obs, greedy=is_greedy: policy.predict(obs, deterministic=greedy)[0],
                indices,
            )
    return texts


def summarise(texts: Mapping[str, Mapping[str, list[Transcript]]]) -> dict[str, Any]:
    """Mean and 95 % interval of each score, by stage and way; fluency under the frozen model too.

    `logprob` is the frozen model's mean log-probability of a word, nats.
    """
    return {
        stage: {
            way: {name: _interval(values) for name, values in _values(transcripts).items()}
            for way, transcripts in ways.items()
        }
        for stage, ways in texts.items()
    }


def _make(config: FinetuneConfig) -> tuple[LanguageVectorEnv, DivergencePenalty, PPO]:
    kwargs = {
        **config.env.kwargs,
        "model": config.model,
        "actions": "vocabulary",
        "observation": "tokens",
    }
    env = make_language_vec_env(config.env.id, config.env.n_envs, config.seed, **kwargs)
    penalty = DivergencePenalty(env, config.divergence.coefficient, config.divergence.target)
    agent = PPO(
        LanguageModelPolicy,
        penalty,
        rollout_buffer_class=EpisodeRolloutBuffer,
        rollout_buffer_kwargs={"advantage": config.advantage},
        policy_kwargs={"model": config.model, "temperature": config.temperature},
        seed=config.seed,
        device="cpu",
        **config.ppo,
    )
    assert isinstance(agent.policy, LanguageModelPolicy)
    penalty.policy = agent.policy
    held_out = gym.make_vec(
        config.env.id,
        num_envs=EVALUATION_ROWS,
        autoreset_mode=gym.vector.AutoresetMode.DISABLED,
        **{**kwargs, "split": config.evaluation.split},
    ).unwrapped
    assert isinstance(held_out, LanguageVectorEnv)
    return held_out, penalty, agent


def _values(transcripts: list[Transcript]) -> dict[str, np.ndarray]:
    """(P,) values of each score."""
    names = ["reward", *(name for name in transcripts[0].scores if name != "reward")]
    values = {name: np.array([t.scores[name] for t in transcripts]) for name in names}
    values["logprob"] = np.array([t.logprobs.mean() for t in transcripts])
    values["words"] = np.array([float(len(t.tokens)) for t in transcripts])
    return values


def _means(transcripts: list[Transcript]) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in _values(transcripts).items()}


def _interval(values: np.ndarray) -> dict[str, Any]:
    return {"mean": float(values.mean()), "interval": mean_interval(values[None])}


def _card(config: FinetuneConfig, result: Mapping[str, Any]) -> str:
    rewards = {
        stage: "{:.3f} ({:.3f} … {:.3f})".format(reward["mean"], *reward["interval"])
        for stage in STAGES
        for reward in [result["held_out"][stage]["sampled"]["reward"]]
    }
    return CARD.format(
        name=config.name,
        base=config.model,
        env=config.env.id,
        steps=result["words"],
        seed=config.seed,
        rewards=json.dumps(config.env.kwargs.get("rewards", "the task's default")),
        divergence=result["divergence"]["mean"],
        **rewards,
    )


def _samples(texts: Mapping[str, Mapping[str, list[Transcript]]]) -> str:
    lines = ["# Held-out samples", "", "The same prompts, evenly spaced, unselected; sampled."]
    for number in spread(len(texts["frozen"]["sampled"]), NUM_SAMPLES):
        lines += ["", f"**{inline(texts['frozen']['sampled'][number].prompt)}** …", ""]
        for stage in STAGES:
            transcript = texts[stage]["sampled"][number]
            reward = f"{transcript.scores['reward']:+.3f}"
            lines.append(f"- {stage} ({reward}): {inline(transcript.text)}")
    return "\n".join(lines) + "\n"


def main(
    config: Annotated[Path, typer.Argument(help="YAML file, such as configs/translation_lm.yaml")],
    seed: Annotated[int | None, typer.Option(help="instead of the file's")] = None,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key.key=value")] = None,
    runs: Annotated[Path, typer.Option(help="where run folders go")] = Path("runs"),
) -> None:
    """Fine-tunes a GPT-2 and leaves everything about it in one folder."""
    with reported():
        extra = [] if seed is None else [f"seed={seed}"]
        settings = load_config(FinetuneConfig, config, [*(assignments or []), *extra])
        result = finetune(settings, runs)
        typer.echo(json.dumps({**result, "versions": versions()}))


if __name__ == "__main__":
    typer.run(main)
