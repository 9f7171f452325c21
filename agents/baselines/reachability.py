"""Reachability: the share of examples whose target the offered candidates can write.

An agent cannot learn to write a token that is never among its candidates. Knows no agent.
"""

from agents.evaluation.baselines import oracle
from agents.evaluation.rollouts import evenly_spaced_indices, run_episodes
from lm_envs.envs.actions.token_actions import TokenActions
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.rewards.text_normalization import normalize_answer
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES

MOST_EXAMPLES = 64
LEAST_SHARE = 0.2
"""Below this share a run warns: it could learn from few of its examples."""

NEED_TARGET = {*TEXT_SCORES, "cross_entropy", "cost"} - {"sentiment"}
"""Scores that compare a text with its targets."""


def reachable_share(env: EpisodicVectorEnv) -> float | None:
    """Computes the share of up to 64 examples whose target the oracle's actions write.

    Args:
        env: In autoreset mode DISABLED.

    Returns:
        The share, in [0, 1]; None where it has no meaning: the reward uses no target, the actions
        do not write one token a step, or the target is not the text of one turn.
    """
    if not (isinstance(env, LanguageVectorEnv) and isinstance(env.actions, TokenActions)):
        return None
    if not env.actions.has_model_probabilities:
        return None
    if env.task.max_turns > 1 or not NEED_TARGET & set(env.task.reward.weighted):
        return None
    indices = evenly_spaced_indices(env.num_examples, MOST_EXAMPLES)
    written = [t.text for t in run_episodes(env, oracle(), indices)]
    targets = [env.task.example(index).targets for index in indices.tolist()]
    pairs = [pair for pair in zip(written, targets, strict=True) if pair[1]]
    hits = [normalize_answer(text) in map(normalize_answer, known) for text, known in pairs]
    return sum(hits) / len(hits) if hits else None


def reachability_report(share: float) -> str:
    """Returns the share in words, with a warning and its remedies if it is below `LEAST_SHARE`."""
    found = f"the candidates can write the target of {share:.0%}"
    if share >= LEAST_SHARE:
        return found
    return (
        f"{found}. Warning: an agent cannot learn to write the others; set env.kwargs.actions to "
        "{kind: top_k, k: 16, copies: 8}, which offers tokens of the prompt, to a larger k, or to "
        "another kind, such as choices"
    )
