"""Features of rated texts under a frozen model, as the reward "preference:FILE" computes them.

Owns how stored texts become completions; the features are those of
`lm_envs.tasks.rewards.preference`.
"""

from collections.abc import Sequence

import numpy as np

from lm_envs.model import loading
from lm_envs.model.lm_head import LMHead
from lm_envs.model.scoring import Scorer
from lm_envs.tasks.ratings import RatedText
from lm_envs.tasks.rewards.completions import Completions
from lm_envs.tasks.rewards.preference import mean_states, named_features
from lm_envs.tokenizer import Tokenizer

TEXTS_AT_ONCE = 1024
"""Bounds the memory of comparisons between all tokens of a text."""


def text_features(
    texts: Sequence[RatedText], model: str, device: str = "auto"
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean hidden states (M, D) and named features (M, F) of M texts.

    Args:
        texts: With their tokens; a text without them is encoded.
        model: As for an environment.
        device: As for an environment.

    Raises:
        ValueError: If there is no such model, or a token is not in its vocabulary.
    """
    folder = loading.locate(model)
    tokenizer = Tokenizer.from_folder(folder)
    network = loading.load(folder, device, "auto", len(tokenizer))
    scorer = Scorer(network, LMHead(network, 1, tokenizer.end_token), None)
    # Texts of similar length side by side need less padding.
    ids = [_token_ids(text, tokenizer, scorer.longest) for text in texts]
    order = np.argsort([len(prompt) + len(own) for prompt, own in ids], kind="stable")
    states = np.zeros((len(texts), network.config.hidden_size))
    features: list[np.ndarray] = []
    for start in range(0, len(order), TEXTS_AT_ONCE):
        part = order[start : start + TEXTS_AT_ONCE]
        completions = _completions([ids[index] for index in part.tolist()], scorer)
        rows = np.arange(len(part))
        states[part] = mean_states(completions, rows)
        features.append(named_features(completions, rows))
    named = np.zeros((len(texts), features[0].shape[1]))
    named[order] = np.concatenate(features)
    return states, named


Ids = tuple[np.ndarray, np.ndarray]
"""Prompt (P,) and completion (T,) int64, both with one token or more."""


def _token_ids(text: RatedText, tokenizer: Tokenizer, longest: int) -> Ids:
    own = np.array(text.tokens, np.int64)
    prompt = np.array(text.prompt_tokens, np.int64)
    if not len(prompt):
        prompt = tokenizer.encode(text.prompt)
    if not len(own):
        # A stored text has lost the space before it, which is a part of its first token.
        space = "" if text.prompt[-1:].isspace() or not text.prompt else " "
        own = tokenizer.encode(space + text.text)
    largest = max(prompt.max(initial=0), own.max(initial=0))
    if largest >= len(tokenizer) or min(prompt.min(initial=0), own.min(initial=0)) < 0:
        raise ValueError(
            f"Got token {largest} in a rated text; allowed: 0 to {len(tokenizer) - 1}, the "
            "model's. Use the model whose texts were rated."
        )
    if not len(prompt):
        prompt = np.array([tokenizer.end_token], np.int64)
    if not len(own):
        own = np.array([tokenizer.end_token], np.int64)
    return prompt, own[: longest - 1]


def _completions(ids: Sequence[Ids], scorer: Scorer) -> Completions:
    lengths = np.array([len(own) for _, own in ids])
    tokens, logprobs = np.zeros((len(ids), lengths.max()), np.int64), None
    logprobs = np.zeros(tokens.shape)
    whole = [np.concatenate(pair)[-scorer.longest - 1 :] for pair in ids]
    scores = scorer.next_token_logprobs([text[:-1] for text in whole], [t[1:] for t in whole])
    for row, (_, own) in enumerate(ids):
        tokens[row, : len(own)] = own
        logprobs[row, : len(own)] = scores[row][-len(own) :]
    return Completions(
        tokens=tokens,
        lengths=lengths,
        logprobs=logprobs,
        references=np.zeros((len(ids), 0), np.int64),
        reference_lengths=np.zeros(len(ids), np.int64),
        budget=tokens.shape[1],
        prompt_tokens=[prompt for prompt, _ in ids],
        model=scorer,
    )
