"""From the folder of a trained agent to a folder of the model that learned from it.

Owns the stages and the files. Command lines live in `agents.distill` and `agents.loop`.
"""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.algorithms.factory import as_language, check_writes, make_evaluation_env
from agents.config.distill import ImitationConfig
from agents.config.finetune import SPACES
from agents.config.train import TrainConfig
from agents.evaluation.rollouts import (
    agent_policy,
    evenly_spaced_indices,
    mean_scores,
    run_episodes,
)
from agents.evaluation.samples import stage_samples
from agents.evaluation.stages import STAGES, Stage, stage_table
from agents.imitation.lessons import Lesson, best_texts, choices, mean_reward
from agents.imitation.training import imitate
from agents.language_model.export import save_pretrained
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.stage_measures import measure_stage
from agents.runs.files import write_json, write_jsonl, write_text
from agents.runs.finished import load_agent
from agents.runs.logs import METRICS
from agents.runs.session import RunSession
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.model.loading import EMBEDDED

MODEL = "model"
"""Folder of the exported model, in the folder of the results."""

DOCUMENT = "distill.json"
"""The result, in the same folder."""

ROWS = 32


def distill_agent(
    folder: Path,
    config: TrainConfig,
    settings: ImitationConfig,
    target: Path,
    judge: str | None = None,
) -> dict[str, Any]:
    """Trains the language model of an agent's run on what the agent chooses; writes the model.

    Nothing is written before the end: an interrupted distillation begins again. A folder with a
    distill.json is complete, and all of its files are of one distillation.

    Args:
        folder: Of the agent's run.
        config: Of that run.
        settings: How the model learns.
        target: Folder of `model`, stages.jsonl, metrics.jsonl, samples.md and distill.json.
        judge: Model by which held-out texts are judged; None for the run's own.

    Returns:
        `model`, its folder; `agent`, the agent's mean held-out reward; `lessons`, that of the texts
        learned from; `stages`, measures of held-out texts of the model before and after.

    Raises:
        UserError: If another process writes to `target`.
        ValueError: If the environment writes no text, or an episode has several turns.
        FloatingPointError: If a loss is NaN or infinite.
    """
    check_writes(config)
    with RunSession(target, handles_signals=False):
        return _distill(folder, config, settings, target, judge)


def _distill(
    folder: Path,
    config: TrainConfig,
    settings: ImitationConfig,
    target: Path,
    judge: str | None,
) -> dict[str, Any]:
    """Does the work of `distill_agent` in a locked folder."""
    agent = load_agent(folder, config)
    held_out = _judging_env(config, judge)
    indices = evenly_spaced_indices(held_out.task.num_examples, config.evaluation.episodes)
    lessons = _lessons(config, agent, settings)
    policy = _policy(config, held_out)
    stages = [measure_stage("base", policy, held_out, indices)]
    losses = list(imitate(policy, lessons, **_training(settings)))
    stages.append(measure_stage("distilled", policy, held_out, indices))
    story = stage_table(stages, config.evaluation.split)
    (target / DOCUMENT).unlink(missing_ok=True)  # until it is there again, the folder is incomplete
    save_pretrained(policy, target / MODEL, story=story)
    result: dict[str, Any] = {"model": str(target / MODEL), "lessons": mean_reward(lessons)}
    result["agent"] = _agent_reward(config, agent, indices)
    result["stages"] = {stage.stage: stage.summary for stage in stages}
    _write(target, stages, losses, {**result, "settings": settings.model_dump()})
    return result


def _agent_reward(config: TrainConfig, agent: BaseAlgorithm, indices: np.ndarray) -> float:
    """Returns the agent's mean reward on held-out examples, over its own model."""
    env = as_language(make_evaluation_env(config, config.evaluation.split, ROWS))
    return mean_scores(run_episodes(env, agent_policy(agent), indices))["reward"]


def _lessons(config: TrainConfig, agent: BaseAlgorithm, settings: ImitationConfig) -> list[Lesson]:
    """Returns lessons from the agent's texts on its own training split."""
    env = as_language(make_evaluation_env(config, config.env.split, ROWS))
    indices = evenly_spaced_indices(env.task.num_examples, settings.prompts)
    if settings.method == "choices":
        return choices(agent, env, indices)
    return best_texts(agent, env, indices, settings.n, settings.seed)


def _judging_env(config: TrainConfig, judge: str | None) -> LanguageVectorEnv:
    """Returns held-out rows in which a language model is the policy."""
    model = {} if judge is None else {"model": judge}
    rows = config.with_env_kwargs(**SPACES, **model)
    return as_language(make_evaluation_env(rows, config.evaluation.split, ROWS))


def _policy(config: TrainConfig, env: LanguageVectorEnv) -> LanguageModelPolicy:
    """Returns the run's language model as a policy."""
    spaces = env.single_observation_space, env.single_action_space
    model = config.env.kwargs.get("model", EMBEDDED)
    return LanguageModelPolicy(*spaces, lambda _: 0.0, model=model)


def _training(settings: ImitationConfig) -> dict[str, Any]:
    return settings.model_dump(include={"steps", "batch_size", "learning_rate", "seed"})


def _write(
    target: Path, stages: list[Stage], losses: list[float], document: dict[str, Any]
) -> None:
    write_jsonl(target / STAGES, map(asdict, stages))
    rows = [{"step": step, "loss": loss} for step, loss in enumerate(losses, start=1)]
    write_jsonl(target / METRICS, rows)
    write_text(target / "samples.md", stage_samples(stages))
    write_json(target / DOCUMENT, document)


def greedy_reward(result: dict[str, Any], stage: str = "distilled") -> float:
    """Returns the mean reward of greedy held-out texts after a stage of `distill_agent`."""
    return result["stages"][stage]["reward"]["mean"]
