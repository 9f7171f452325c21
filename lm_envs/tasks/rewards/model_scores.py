"""Scores that use the language model.

Like all scores they are 0 for an empty completion, and each row's score depends on that row alone.
A new one is a function here and a line in `MODEL_SCORES`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from lm_envs.tasks.rewards.completions import Completions
from lm_envs.tasks.rewards.token_scores import WORST_LOGPROB

MODEL_SHARE = 0.05
"""Weight of the language model in the mixture that `cross_entropy` takes for the policy."""

TINY = 1e-12
"""Keeps the logarithm of an underflowed probability finite; it costs more than one unit."""

DECIMALS = 4
"""Scores are rounded to this many decimals, so that they do not depend on the number of rows."""

ModelScore = Callable[[Completions, np.ndarray], np.ndarray]
"""Scores (R,) float64 of the completions of some rows (R,)."""


def cross_entropy(completions: Completions, rows: np.ndarray) -> np.ndarray:
    """Returns 1 less the reference's cross-entropy under the completion, (R,) in [0, 1].

    The completion is read as a policy that at position i writes its own token with probability
    0.95, and a token drawn from the language model, after the prompt and the completion's first
    i - 1 tokens, otherwise. The cross-entropy is the mean negative log-probability that this policy
    gives the reference's tokens, in units of 8 nats; no token costs more than one unit, and
    positions that are not written yet cost one. Tokens after the end of the reference do not count.

    So the score is highest for the reference itself, in every task's own prompt template. 0 where
    there is no reference.
    """
    assert completions.model is not None, "cross_entropy needs the language model"
    sequences, wanted, written = [], [], []
    for row in rows.tolist():
        size = min(int(completions.lengths[row]), int(completions.reference_lengths[row]))
        prompt = completions.prompt_tokens[row]
        own = completions.tokens[row, :size]
        # The last token has no effect on the positions that count, so it is not read.
        sequence = np.concatenate([prompt, own[:-1]])
        reference = completions.references[row, :size]
        sequences.append(sequence[-completions.model.longest :])
        wanted.append(np.concatenate([prompt[1:], reference])[-len(sequences[-1]) :])
        written.append(own)
    is_judged = [len(own) > 0 for own in written]
    chosen = [place for place, judged in enumerate(is_judged) if judged]
    logprobs = completions.model.next_token_logprobs(
        [sequences[place] for place in chosen], [wanted[place] for place in chosen]
    )
    scores = np.zeros(len(rows))
    for place, values in zip(chosen, logprobs, strict=True):
        own = written[place]
        model = MODEL_SHARE * np.exp(values[-len(own) :].round(DECIMALS))
        is_same = own == wanted[place][-len(own) :]
        costs = np.log(np.maximum(model + (1.0 - MODEL_SHARE) * is_same, TINY)) / WORST_LOGPROB
        length = completions.reference_lengths[rows[place]]
        scores[place] = (1.0 - costs.clip(0.0, 1.0)).sum() / length
    return scores.round(DECIMALS)


MODEL_SCORES: Mapping[str, ModelScore] = {"cross_entropy": cross_entropy}
"""Every score that uses the language model by name."""
