"""Measures of completions beside their scores: per text, and over all texts of a policy.

Owns which measures apply where. Formulas live in `lm_envs.tasks.rewards.corpus_metrics`.
"""

from collections.abc import Sequence

import numpy as np

from lm_envs.tasks.rewards import corpus_metrics
from lm_envs.transcript import Transcript

Seeds = Sequence[Sequence[Transcript]]
"""Transcripts by seed and prompt."""

MAX_LABELS = 20
"""References with at most this many distinct texts, each occurring twice or more on average, are
labels."""

TIE = 1e-9
"""Rewards whose range is below this are equal; sums of floats may differ in their last digits."""


def text_measures(seeds: Seeds) -> dict[str, np.ndarray]:
    """Computes measures (S, P) float64 of each completion.

    Returns:
        `tokens`, the number written, and `logprob`, the model's mean log-probability of a token in
        nats. In tuning environments, which write no text, `steps` only.
    """
    counts = np.array([[float(len(t.token_texts)) for t in texts] for texts in seeds])
    if not _has_texts(seeds):
        return {"steps": counts}
    return {
        "tokens": counts,
        "logprob": np.array([[_mean(t.logprobs) for t in texts] for texts in seeds]),
    }


def corpus_measures(seeds: Seeds) -> dict[str, float]:
    """Computes measures over all completions of a policy, each in [0, 1] except the perplexity.

    Returns:
        `distinct_2`, the share of distinct token pairs within each seed's texts, mean over seeds,
        since the share falls with the number of texts; the model's `perplexity`; against labels
        accuracy and macro precision, recall and F1; against other references BLEU and chrF. Empty
        in tuning environments, which write no text.
    """
    if not _has_texts(seeds):
        return {}
    texts = [t for each in seeds for t in each]
    written, references = [t.text.strip() for t in texts], [t.reference.strip() for t in texts]
    logprobs = np.concatenate([t.logprobs for t in texts])
    found = {"distinct_2": float(np.mean([_distinct_pairs(each) for each in seeds]))}
    if len(logprobs):
        found["perplexity"] = corpus_metrics.perplexity(logprobs)
    if not all(references):
        return found
    if len(set(references)) <= min(MAX_LABELS, len(seeds[0]) // 2):
        macro = corpus_metrics.macro_scores(written, references)
        found |= {"accuracy": corpus_metrics.accuracy(written, references), **macro._asdict()}
        return found
    listed = [[reference] for reference in references]
    found["bleu"] = corpus_metrics.corpus_bleu(written, listed)
    found["chrf"] = corpus_metrics.corpus_chrf(written, listed)
    return found


def zero_variance_share(seeds: Seeds) -> float:
    """Computes the share of prompts whose sampled completions all have the same reward.

    Policy gradients with a baseline per prompt vanish on such prompts.
    """
    rewards = np.array([[t.scores["reward"] for t in texts] for texts in seeds])
    return float((np.ptp(rewards, axis=0) < TIE).mean())


def _has_texts(seeds: Seeds) -> bool:
    """Returns whether transcripts hold texts, which begin with a prompt, or tuning episodes."""
    return any(len(t.prompt_tokens) for texts in seeds for t in texts)


def _distinct_pairs(texts: Sequence[Transcript]) -> float:
    pairs = [pair for t in texts for pair in zip(t.tokens[:-1], t.tokens[1:], strict=True)]
    return len(set(pairs)) / max(1, len(pairs))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
