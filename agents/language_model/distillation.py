"""Best-of-n distillation: the model learns, word by word, the best of its own texts on each prompt.

Owns which texts are learned from. Reward is all that it asks of the environment, so it is the
baseline that reinforcement learning has to beat.

Source: Dong et al. 2023, https://arxiv.org/abs/2304.06767 (RAFT).
"""

from collections.abc import Iterator

import numpy as np

from agents.evaluation.rollouts import run_episodes
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.warm_start import NextWordLearner
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript


def distil(
    policy: LanguageModelPolicy,
    env: LanguageVectorEnv,
    *,
    rounds: int,
    prompts: int,
    n: int,
    learning_rate: float,
    seed: int,
) -> Iterator[tuple[float, float]]:
    """Writes, chooses and learns, one optimizer step a round.

    Args:
        policy: What is to learn; it writes at its own temperature.
        env: Whose examples it writes on; autoreset mode DISABLED.
        rounds: How often.
        prompts: In a round, drawn without repetition.
        n: Texts drawn for each prompt, of which the best is learned.
        learning_rate: Of Adam.
        seed: Of the choice of prompts.

    Yields:
        Mean reward of a round's texts, and of the best of each prompt.

    Raises:
        ValueError: If an episode has several turns: what was written is then not one text.
        FloatingPointError: If a loss is NaN or infinite; the weights are those before that step.
    """
    if env.task.max_turns > 1:
        raise ValueError(
            f"Got {type(env.task).__name__}, whose episodes have up to {env.task.max_turns} turns; "
            "leave distillation out."
        )
    learner = NextWordLearner(policy, learning_rate, "distillation")
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        count = min(prompts, env.task.num_examples)
        indices = rng.choice(env.task.num_examples, count, replace=False).repeat(n)
        texts = run_episodes(env, lambda _, seen: policy.predict(seen)[0], indices)
        best = [max(texts[i : i + n], key=_reward) for i in range(0, len(texts), n)]
        learner.learn(
            [np.concatenate([text.prompt_tokens, text.tokens]) for text in best],
            [len(text.prompt_tokens) for text in best],
        )
        yield float(np.mean([*map(_reward, texts)])), float(np.mean([*map(_reward, best)]))
    learner.close()


def _reward(text: Transcript) -> float:
    return text.scores["reward"]
