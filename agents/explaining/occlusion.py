"""Attribution to the prompt's words for policies that are language models, and a check of it.

A word is removed, and the log-probability of the same written text is computed again. Knows
nothing of rewards.

Source: occlusion, Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from agents.evaluation.intervals import mean_and_interval
from agents.language_model.policy import LanguageModelPolicy
from agents.viewing.trace import EpisodeTrace
from lm_envs.tokenizer import Tokenizer
from lm_envs.transcript import Transcript

REMOVED = 2
"""Words that the check removes: the most and the least important ones of each prompt."""


Attribute = Callable[[LanguageModelPolicy, Tokenizer, Transcript, int], list[dict[str, Any]]]
"""`word_attributions`, or another method with its arguments and result."""


def word_attributions(
    policy: LanguageModelPolicy, tokenizer: Tokenizer, transcript: Transcript, every: int = 1
) -> list[dict[str, Any]]:
    """Returns for each word of the prompt its text, and how much it raised the written text.

    Args:
        policy: The language model.
        tokenizer: The environment's, which puts prompts into a chat template where there is one.
        transcript: A finished episode of one turn.
        every: Counts the first of so many written tokens.

    Returns:
        `word`, and `value`: the mean log-probability of a written token with the word, minus that
        without it, nats.
    """
    words = transcript.prompt.split(" ")
    if len(words) < 2 or not len(transcript.tokens):
        return []
    prompts = [transcript.prompt, *(_without(words, {place}) for place in range(len(words)))]
    logprobs = [_logprobs(policy, tokenizer, prompt, transcript)[0] for prompt in prompts]
    means = [float(each[::every].mean()) for each in logprobs]
    return [
        {"word": word, "value": means[0] - without}
        for word, without in zip(words, means[1:], strict=True)
    ]


def occlusion_check(
    policy: LanguageModelPolicy,
    tokenizer: Tokenizer,
    traces: Sequence[EpisodeTrace],
    attribute: Attribute = word_attributions,
) -> dict[str, Any] | None:
    """Measures how often the preferred token changes without important and without other words.

    Words are ranked by every second written token, and the check is made on the others, so that a
    word is not called important because of the very tokens that the check looks at.

    Args:
        policy: The language model.
        tokenizer: As for `word_attributions`.
        traces: Finished episodes of one turn.
        attribute: Ranks the words.

    Returns:
        `important_changes` and `others_changes`, shares of steps with 95 % intervals over
        episodes; their `difference`; `is_true`, whether its interval lies above 0. None if no
        prompt has enough words.
    """
    found = (_changes(policy, tokenizer, trace.transcript, attribute) for trace in traces)
    shares = [each for each in found if each is not None]
    if len(shares) < 2:
        return None
    both = np.array(shares)
    difference = mean_and_interval((both[:, 0] - both[:, 1])[None])
    return {
        "removed": REMOVED,
        "important_changes": mean_and_interval(both[None, :, 0]),
        "others_changes": mean_and_interval(both[None, :, 1]),
        "difference": difference,
        "is_true": bool(difference["interval"][0] > 0),
        "episodes": len(both),
    }


def _changes(
    policy: LanguageModelPolicy, tokenizer: Tokenizer, own: Transcript, attribute: Attribute
) -> tuple[float, float] | None:
    """Returns the shares of steps that change without the most and without the least important.

    None if there are too few words or tokens.
    """
    found = attribute(policy, tokenizer, own, 2)
    if len(found) < 2 * REMOVED + 1 or len(own.tokens) < 2:
        return None
    order = np.argsort([-each["value"] for each in found], kind="stable")
    words = [each["word"] for each in found]
    before = _logprobs(policy, tokenizer, own.prompt, own)[1]
    sets = (set(order[:REMOVED].tolist()), set(order[-REMOVED:].tolist()))
    others = (_without(words, each) for each in sets)
    changed = [_logprobs(policy, tokenizer, each, own)[1] != before for each in others]
    return float(changed[0][1::2].mean()), float(changed[1][1::2].mean())


def _without(words: Sequence[str], places: set[int]) -> str:
    return " ".join(word for place, word in enumerate(words) if place not in places)


def next_logprobs(policy: LanguageModelPolicy, texts: torch.Tensor, size: int) -> torch.Tensor:
    """Returns log-probabilities (B, T - size, V) of every token at each place after the prompt.

    Args:
        policy: The language model.
        texts: (B, T) token ids, the prompt first.
        size: Tokens of the prompt, 1 or more.
    """
    hidden = policy.network(texts)[:, size - 1 : -1]
    logits = policy.network.logits(hidden.flatten(0, 1))[:, : policy.network.tokenizer_size]
    return torch.log_softmax(logits, -1).unflatten(0, hidden.shape[:2])


def _logprobs(
    policy: LanguageModelPolicy, tokenizer: Tokenizer, prompt: str, transcript: Transcript
) -> tuple[np.ndarray, np.ndarray]:
    """Returns log-probabilities (T,) of the written tokens, and the preferred tokens (T,)."""
    ids = tokenizer.encode_prompt(prompt)
    # A prompt of no words left is the end token, as at the beginning of a document.
    ids = ids if len(ids) else np.array(tokenizer.end_tokens[:1])
    tokens = np.concatenate([ids, transcript.tokens])
    with torch.no_grad():
        batch = torch.as_tensor(tokens[None], device=policy.device)
        logprobs = next_logprobs(policy, batch, len(ids))[0]
        own = torch.as_tensor(transcript.tokens, device=policy.device)
        chosen = logprobs.gather(-1, own[:, None])[:, 0]
        return chosen.cpu().numpy(), logprobs.argmax(-1).cpu().numpy()
