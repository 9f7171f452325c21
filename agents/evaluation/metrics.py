"""What is measured of texts beside their scores: of each text, and of all texts of a policy."""

from collections.abc import Sequence

import numpy as np

from lm_envs.tasks.rewards import corpus_metrics
from lm_envs.transcript import Transcript

Seeds = Sequence[Sequence[Transcript]]
"""Transcripts by seed and prompt."""

MOST_LABELS = 20
"""References of at most this many texts, each standing twice or more on average, are labels."""


def text_measures(seeds: Seeds) -> dict[str, np.ndarray]:
    """(S, P) values: `words` written, and `logprob`, the model's mean of a word, nats.

    Where nothing is written, but the model adjusted, `steps`.
    """
    counts = np.array([[float(len(t.token_texts)) for t in texts] for texts in seeds])
    if not _is_written(seeds):
        return {"steps": counts}
    return {
        "words": counts,
        "logprob": np.array([[_mean(t.logprobs) for t in texts] for texts in seeds]),
    }


def corpus_measures(seeds: Seeds) -> dict[str, float]:
    """Measures of all texts of a policy together, each in [0, 1] but the perplexity.

    BLEU and chrF against the references; for labels accuracy and macro precision, recall and F1;
    the share of different pairs of words among all (distinct-2); the model's perplexity. Empty
    where nothing is written.
    """
    if not _is_written(seeds):
        return {}
    texts = [t for each in seeds for t in each]
    written, references = [t.text.strip() for t in texts], [t.reference.strip() for t in texts]
    logprobs = np.concatenate([t.logprobs for t in texts])
    found = {"distinct_2": _distinct_pairs(texts)}
    if len(logprobs):
        found["perplexity"] = corpus_metrics.perplexity(logprobs)
    if not all(references):
        return found
    if len(set(references)) <= min(MOST_LABELS, len(seeds[0]) // 2):
        macro = corpus_metrics.macro_scores(written, references)
        found |= {"accuracy": corpus_metrics.accuracy(written, references), **macro._asdict()}
        return found
    pairs = [[reference] for reference in references]
    found["bleu"] = corpus_metrics.corpus_bleu(written, pairs)
    found["chrf"] = corpus_metrics.corpus_chrf(written, pairs)
    return found


def _is_written(seeds: Seeds) -> bool:
    """Whether transcripts are of texts, which begin with a prompt, or of adjustments."""
    return any(len(t.prompt_tokens) for texts in seeds for t in texts)


def zero_variance_share(seeds: Seeds) -> float:
    """Share of prompts whose sampled texts are all paid the same: nothing is learned from them."""
    rewards = np.array([[t.scores["reward"] for t in texts] for texts in seeds])
    return float((np.ptp(rewards, axis=0) < 1e-9).mean())


def _distinct_pairs(texts: Sequence[Transcript]) -> float:
    pairs = [pair for t in texts for pair in zip(t.tokens[:-1], t.tokens[1:], strict=True)]
    return len(set(pairs)) / max(1, len(pairs))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
