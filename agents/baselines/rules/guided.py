"""Decoding guided by the sentiment of each possible next text.

Reads no reference: the model and the word list of the score are all that it uses.
"""

import numpy as np

from agents.baselines.rules.tokens import repeated_candidates
from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.rewards.text_scores import sentiment

SENTIMENT = "sentiment"


def pays_sentiment(env: LanguageVectorEnv) -> bool:
    """Returns whether the reward of an environment depends on the sentiment of the text."""
    return SENTIMENT in env.task.reward.weighted


def guided_greedy(strength: float, size: int) -> Policy:
    """Returns greedy decoding of log-probability plus the rise of the rewarded sentiment.

    Args:
        strength: Nats for a rise by 1 of the sentiment times its weight in the reward.
        size: Of the n-grams that are not repeated; 0 allows repetition.

    Source: Khanov et al. 2024, "ARGS: Alignment as Reward-Guided Search",
    https://arxiv.org/abs/2402.01694.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        scores = env.candidate_logprobs.astype(np.float64)
        nats = strength * env.task.reward.weights[SENTIMENT]
        candidates, texts, decode = env.outputs.candidates, env.episodes.texts, env.tokenizer.decode
        for row, tokens in enumerate(env.episodes.tokens):
            written = tokens[: env.episodes.counts[row]]
            before = sentiment(texts[row])
            for place, token in enumerate(candidates[row]):
                text = decode(np.append(written, token))
                scores[row, place] += nats * (sentiment(text) - before)
        if size:
            scores = np.where(repeated_candidates(env, size), -np.inf, scores)
        return env.actions_for_ranks(scores.argmax(1))

    return act
