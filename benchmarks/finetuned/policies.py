"""Completions of one task by finetuned models, by their base model, and by rules.

Owns which policies run. What costs many samples or long prompts runs with one seed. Files and
statistics are elsewhere.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from agents.algorithms.factory import as_language
from agents.config.finetune import FinetuneConfig
from agents.evaluation.baselines import Policy
from agents.evaluation.comparison import AGENT, Rollouts
from agents.evaluation.rollouts import evenly_spaced_indices, run_episodes
from agents.evaluation.search import best_of, grouped
from agents.language_model.finetuning import MODEL
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.stage_measures import complete
from agents.runs.finished import make_held_out_env
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.model.loading import EMBEDDED
from lm_envs.tasks.completion import CompletionTask
from lm_envs.tokenizer.chat import PROMPT
from lm_envs.transcript import Transcript

ROWS = 64
TEMPERATURES = (0.2, 0.5, 0.8, 1.0)
"""Tried for the base model on the validation split."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is evaluated.

    Attributes:
        split: A split, or a part such as "test[:25%]".
        episodes: Maximum number of prompts.
        is_greedy: Whether `AGENT` takes the likeliest token; otherwise it samples.
        best_of: Numbers of samples of the base model, of which the highest reward is taken.
        same_answer: Whether the most frequent reference of the training split is a baseline.
        shots: Numbers of solved training examples that the base model reads before the prompt.
    """

    split: str
    episodes: int
    is_greedy: bool
    best_of: tuple[int, ...] = ()
    same_answer: bool = False
    shots: tuple[int, ...] = ()


def run_all(
    config: FinetuneConfig, groups: Mapping[str, Sequence[Path]], options: Options
) -> tuple[Rollouts, dict[str, float]]:
    """Completes the prompts of a split with every policy.

    Args:
        config: Of the runs of `AGENT`; its environment is that of all policies.
        groups: Run folders by name, one for each seed; one name is `AGENT`.
        options: What is evaluated.

    Returns:
        Transcripts by policy, seed and prompt; and the mean reward on the validation split of each
        of `TEMPERATURES`.
    """
    env = _held_out(config, options.split)
    indices = evenly_spaced_indices(env.task.num_examples, options.episodes)
    rollouts: Rollouts = {}
    for name, folders in groups.items():
        policies = [load_policy(config, env, str(folder / MODEL)) for folder in folders]
        other = "sampled" if options.is_greedy else "greedy"
        for label, is_greedy in (
            (name, options.is_greedy),
            (f"{name}, {other}", not options.is_greedy),
        ):
            rollouts[label] = [
                write(policy, env, indices, is_greedy=is_greedy, seed=seed)
                for seed, policy in enumerate(policies)
            ]
    rewards = tune_temperature(config)
    best = float(max(rewards, key=lambda name: rewards[name]))
    seeds = range(len(groups[AGENT]))
    return rollouts | _untrained(config, env, indices, options, seeds, best), rewards


def _untrained(
    config: FinetuneConfig,
    env: LanguageVectorEnv,
    indices: np.ndarray,
    options: Options,
    seeds: range,
    temperature: float,
) -> Rollouts:
    """Returns what the base model and rules write for examples (E,)."""
    base, tuned = (load_policy(config, env, temperature=each) for each in (1.0, temperature))
    rollouts = {
        "base, greedy": [write(base, env, indices, is_greedy=True)],
        "base, sampled": [write(base, env, indices, seed=seed) for seed in seeds],
        "base, tuned temperature": [write(tuned, env, indices)],
    }
    for n in options.shots:
        name = f"base, greedy, {n} solved examples in the prompt"
        rollouts[name] = [few_shot(config, options.split, indices, n)]
    for n in options.best_of:
        rollouts[f"base, best of {n} by the reward"] = [best_of_n(base, env, indices, n)]
    if options.same_answer:
        rollouts["most frequent answer"] = [most_frequent_answer(config, env, indices)]
    return rollouts


def load_policy(
    config: FinetuneConfig,
    env: LanguageVectorEnv,
    model: str | None = None,
    temperature: float = 1.0,
) -> LanguageModelPolicy:
    """Returns a language model as a policy of an environment; None for the base model."""
    given = config.env.kwargs
    dtype = given.get("dtype", "auto")
    return LanguageModelPolicy(
        env.single_observation_space,
        env.single_action_space,
        lambda _: 0.0,
        model=model or given.get("model", EMBEDDED),
        temperature=temperature,
        dtype="float32" if dtype == "auto" else dtype,
    )


def write(
    policy: LanguageModelPolicy,
    env: LanguageVectorEnv,
    indices: np.ndarray,
    *,
    is_greedy: bool = False,
    seed: int = 0,
) -> list[Transcript]:
    """Returns one completion of each example (E,), of the likeliest tokens or sampled."""
    torch.manual_seed(seed)
    return complete(policy, env, indices, greedy=is_greedy)


def best_of_n(
    policy: LanguageModelPolicy, env: LanguageVectorEnv, indices: np.ndarray, n: int, seed: int = 0
) -> list[Transcript]:
    """Returns the one of n samples whose reward is the highest, for each example (E,)."""
    rng = np.random.default_rng(seed)
    texts = write(policy, env, np.repeat(indices, n), seed=seed)
    return [best_of(group, rng) for group in grouped(texts, n)]


def tune_temperature(config: FinetuneConfig, episodes: int = 48) -> dict[str, float]:
    """Returns the base model's mean reward on the validation split, by temperature."""
    env = _held_out(config, "validation")
    indices = evenly_spaced_indices(env.task.num_examples, episodes)
    rewards = {}
    for temperature in TEMPERATURES:
        texts = write(load_policy(config, env, temperature=temperature), env, indices)
        rewards[str(temperature)] = float(np.mean([text.scores["reward"] for text in texts]))
    return rewards


def few_shot(
    config: FinetuneConfig, split: str, indices: np.ndarray, n: int, seed: int = 0
) -> list[Transcript]:
    """Returns greedy completions of the base model after n training examples with answers.

    They are in the user's message of the chat template, before the prompt.
    """
    task = _held_out(config, config.env.split).task
    assert isinstance(task, CompletionTask)
    chosen = np.random.default_rng(seed).choice(task.num_examples, n, replace=False)
    items = [task.item(task.example(index)) for index in chosen.tolist()]
    solved = "".join(f"{item.prompt} {item.targets[0].strip()}\n\n" for item in items)
    given = config.with_env_kwargs(chat_template=True, user_prompt=f"{solved}{PROMPT}")
    env = _held_out(given, split)
    return write(load_policy(given, env), env, indices, is_greedy=True)


def most_frequent_answer(
    config: FinetuneConfig, env: LanguageVectorEnv, indices: np.ndarray
) -> list[Transcript]:
    """Returns the training split's most frequent reference as completion of each example (E,)."""
    task = _held_out(config, config.env.split).task
    references = [task.example(index).reference for index in range(task.num_examples)]
    ((answer, _),) = Counter(tuple(each.tolist()) for each in references).most_common(1)
    return run_episodes(env, written_tokens(env, np.array(answer, np.int64)), indices)


def written_tokens(env: LanguageVectorEnv, tokens: np.ndarray) -> Policy:
    """Returns the policy that writes given tokens (T,), then the end-of-text token."""
    ended = np.append(tokens, env.tokenizer.end_token)
    return lambda env, _: ended[np.minimum(env.steps, len(tokens))]


def _held_out(config: FinetuneConfig, split: str) -> LanguageVectorEnv:
    return as_language(make_held_out_env(config, split, ROWS))
