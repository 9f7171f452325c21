"""Best-of-n distillation: supervised learning of the model's own best completion of each prompt.

Owns the choice of the training texts. It needs rewards only, so it is the baseline that
reinforcement learning has to exceed.

Source: Dong et al. 2023, https://arxiv.org/abs/2304.06767 (RAFT).
"""

from collections.abc import Iterator

import numpy as np

from agents.evaluation.rollouts import run_episodes
from agents.evaluation.search import best_of, grouped
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.warm_start import SupervisedTrainer
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript


def distill(
    policy: LanguageModelPolicy,
    env: LanguageVectorEnv,
    *,
    rounds: int,
    prompts: int,
    n: int,
    learning_rate: float,
    seed: int,
) -> Iterator[tuple[float, float]]:
    """Samples completions and takes one optimizer step on the best of each prompt, per round.

    Args:
        policy: Trained in place; samples at its own temperature.
        env: Supplies prompts and rewards; in autoreset mode DISABLED.
        rounds: Number of optimizer steps.
        prompts: Number of prompts per round, drawn without repetition by `seed`.
        n: Number of completions per prompt.
        learning_rate: Of Adam.
        seed: Of the choice of prompts, and among completions of equal reward.

    Yields:
        Mean reward of a round's completions, and of the best ones of each prompt.

    Raises:
        ValueError: If an episode has several turns, since it is then not one text.
        FloatingPointError: If a loss is NaN or infinite; the weights are those before that step.
    """
    _check_single_turn(env)
    trainer = SupervisedTrainer(policy, learning_rate, "distillation")
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        total = env.task.num_examples
        indices = rng.choice(total, min(prompts, total), replace=False).repeat(n)
        texts = run_episodes(env, lambda _, seen: policy.predict(seen)[0], indices)
        best = [best_of(group, rng) for group in grouped(texts, n)]
        sequences = [np.concatenate([text.prompt_tokens, text.tokens]) for text in best]
        trainer.step(sequences, [len(text.prompt_tokens) for text in best])
        yield float(np.mean([*map(_reward, texts)])), float(np.mean([*map(_reward, best)]))
    trainer.finish()


def _check_single_turn(env: LanguageVectorEnv) -> None:
    if env.task.max_turns > 1:
        raise ValueError(
            f"Got {type(env.task).__name__}, whose episodes have up to {env.task.max_turns} turns; "
            "leave distillation out."
        )


def _reward(text: Transcript) -> float:
    return text.scores["reward"]
