"""Attribution to the prompt's words by integrated gradients, for policies that are language models.

The words' tokens go from end-of-text tokens, which are no words, to their own embeddings, and the
gradients of the written text's log-probability along this line are summed. Needs Captum
(`pip install lm_envs[explain]`). Owns which token belongs to which word.

Source: integrated gradients, Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from agents.explaining.occlusion import next_logprobs
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.tokenizer import Tokenizer
from lm_envs.transcript import Transcript

STEPS = 32
"""Points of the Gauss-Legendre quadrature; the sum is right to 0.0001 with the embedded model."""

TEXTS_AT_ONCE = 16
"""Points that are computed in one pass, which bounds the memory."""


def integrated_gradients(
    policy: LanguageModelPolicy, tokenizer: Tokenizer, transcript: Transcript, every: int = 1
) -> list[dict[str, Any]]:
    """Returns for each word of the prompt its text, and how much it raised the written text.

    Args:
        policy: The language model.
        tokenizer: The environment's, which may have a chat template.
        transcript: A finished episode of one turn.
        every: Counts the first of so many written tokens.

    Returns:
        `word`, and `value`, nats: the values of all words add up to the mean log-probability of a
        written token after the prompt, minus that after a prompt whose words are end-of-text
        tokens. Empty where the prompt has one word only, or nothing was written.

    Raises:
        ImportError: If Captum is missing.
    """
    from captum.attr import LayerIntegratedGradients

    words = transcript.prompt.split(" ")
    ids = tokenizer.encode_prompt(transcript.prompt)
    if len(words) < 2 or not len(transcript.tokens):
        return []
    places = word_of_token(tokenizer, ids, transcript.prompt)
    prompts = (ids, blank_prompt(tokenizer, ids, places))
    texts = (np.concatenate([prompt, transcript.tokens])[None] for prompt in prompts)
    whole, blank = (torch.as_tensor(text, device=policy.device) for text in texts)
    layer = policy.network.model.get_input_embeddings()
    method = LayerIntegratedGradients(_mean_logprob(policy, len(ids), every), layer)
    options: dict[str, Any] = {"n_steps": STEPS, "internal_batch_size": TEXTS_AT_ONCE}
    found: Any = method.attribute(whole, blank, method="gausslegendre", **options)
    by_token = found[0, : len(ids)].sum(-1).double().cpu().numpy()  # (P,)
    sums = np.bincount(places[places >= 0], by_token[places >= 0], len(words))
    return [
        {"word": word, "value": value} for word, value in zip(words, sums.tolist(), strict=True)
    ]


def _mean_logprob(
    policy: LanguageModelPolicy, size: int, every: int
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Returns the function from texts (B, T) to the mean log-probability (B,) of written tokens.

    Those are the tokens after the prompt, whose size is given; each `every`-th one counts.
    """

    def mean_logprob(tokens: torch.Tensor) -> torch.Tensor:
        logprobs = next_logprobs(policy, tokens, size)
        chosen = logprobs.gather(-1, tokens[:, size:, None])[..., 0]
        return chosen[:, ::every].mean(1)

    return mean_logprob


def word_of_token(tokenizer: Tokenizer, ids: np.ndarray, prompt: str) -> np.ndarray:
    """Returns the number of the word (P,) that each token of a prompt (P,) begins in.

    -1 for tokens that are no part of its text, such as those of a chat template.
    """
    pieces = [tokenizer.token_bytes[token] for token in ids.tolist()]
    text = prompt.encode()
    start = max(b"".join(pieces).find(text), 0)
    places, offset = np.full(len(ids), -1), -start
    for number, piece in enumerate(pieces):
        first = offset + len(piece) - len(piece.lstrip(b" "))  # a space belongs to the next word
        offset += len(piece)
        if piece and 0 <= first < len(text):
            places[number] = text[:first].count(b" ")
    return places


def blank_prompt(tokenizer: Tokenizer, ids: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns a prompt (P,) whose words are end-of-text tokens; the other tokens stay."""
    return np.where(places >= 0, tokenizer.end_tokens[0], ids)
