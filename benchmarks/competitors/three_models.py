"""Policy, critic and frozen model, each a whole GPT-2 of its own: what they say of texts.

Owns how RL4LMs reads: token by token with a cache while texts are written, and a padded text for
each word while it learns. Knows nothing of rewards or losses.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Cache, GPT2LMHeadModel, GPT2Model

from agents.language_model.network import FUSED_GELU

Said = tuple[torch.Tensor, Cache | None]
"""What follows the last of some tokens, float32: logits (M, V) or values (M,); and the cache."""


@dataclass(frozen=True, slots=True)
class Models:
    """The policy, its critic, and what the policy was at first; none of them drops anything out."""

    policy: GPT2LMHeadModel
    critic: "Critic"
    frozen: GPT2LMHeadModel

    @classmethod
    def load(cls, folder: Path, frozen_dtype: torch.dtype = torch.float32) -> "Models":
        """Three copies of a checkpoint's weights, those that are learned in float32."""
        policy, frozen = (
            GPT2LMHeadModel.from_pretrained(folder, dtype=dtype, activation_function=FUSED_GELU)
            for dtype in (torch.float32, frozen_dtype)
        )
        return cls(policy, Critic(folder), frozen.requires_grad_(requires_grad=False))

    @property
    def learned(self) -> list[nn.Parameter]:
        """What learning changes."""
        return [*self.policy.parameters(), *self.critic.parameters()]


class Critic(nn.Module):
    """A GPT-2 of its own, and a linear value of its last hidden state."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.trunk = GPT2Model.from_pretrained(
            folder, dtype=torch.float32, activation_function=FUSED_GELU
        )
        self.head = nn.Linear(self.trunk.config.n_embd, 1)

    def forward(self, tokens: torch.Tensor, **options: Any) -> Said:  # noqa: ANN401 - GPT2Model's
        """Values (M,) after tokens (M, C), and the cache."""
        output = self.trunk(tokens, **options)
        return self.head(output.last_hidden_state[:, -1])[:, 0].float(), output.past_key_values


@dataclass(frozen=True, slots=True)
class Spoken:
    """What three models say of N texts, before each of T words or of the word; (N, T) each.

    Attributes:
        log_probs: Of the words under the policy, nats.
        values: The critic's.
        frozen_log_probs: Of the words under the frozen model, nats.
    """

    log_probs: torch.Tensor
    values: torch.Tensor
    frozen_log_probs: torch.Tensor


def generate(policy: GPT2LMHeadModel, prompts: torch.Tensor, num_words: int) -> torch.Tensor:
    """Prompts (N, P) with T words drawn after each, (N, P + T); no text ends before."""
    return policy.generate(  # type: ignore[attr-defined]  # its stub asks for more
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=True,
        top_k=0,
        max_new_tokens=num_words,
        min_new_tokens=num_words,
        pad_token_id=0,
    )


@torch.no_grad()
def read_again(models: Models, tokens: torch.Tensor, num_prompt: int) -> Spoken:
    """What the models say of all tokens (N, P + T) after the first P, read one by one."""
    readers = (partial(_logits, models.policy), models.critic, partial(_logits, models.frozen))
    said = zip(*(_after_each(read, tokens, num_prompt) for read in readers), strict=True)
    words = tokens[:, num_prompt:].T
    columns = [
        (_log_prob(of_policy, word), value, _log_prob(of_frozen, word))
        for word, (of_policy, value, of_frozen) in zip(words, said, strict=True)
    ]
    return Spoken(*(torch.stack(column, 1) for column in zip(*columns, strict=True)))


def evaluate(
    models: Models, tokens: torch.Tensor, lengths: torch.Tensor, words: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and values (M,) of words after texts, by a pass over each padded text.

    Args:
        models: Policy and critic.
        tokens: (M, C) texts, padded on the left.
        lengths: (M,) tokens that are no padding.
        words: (M,).
    """
    width = tokens.shape[1]
    places = torch.arange(width) - (width - lengths)[:, None]  # below 0 is padding
    options = {
        "attention_mask": (places >= 0).long(),
        "position_ids": places.clamp(min=0),
        "use_cache": False,
    }
    logits, _ = _logits(models.policy, tokens, **options)
    values, _ = models.critic(tokens, **options)
    return _log_prob(logits, words), values


def _logits(model: GPT2LMHeadModel, tokens: torch.Tensor, **options: Any) -> Said:  # noqa: ANN401
    output = model(tokens, **options)
    return output.logits[:, -1].float(), output.past_key_values


def _after_each(
    read: Callable[..., Said], tokens: torch.Tensor, num_prompt: int
) -> Iterator[torch.Tensor]:
    """What is said after P tokens and after each one more but the last, reading each once."""
    cache, first = None, 0
    for end in range(num_prompt, tokens.shape[1]):
        said, cache = read(tokens[:, first:end], past_key_values=cache, use_cache=True)
        first = end
        yield said


def _log_prob(logits: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
    """Log-probabilities of words (M,) by logits (M, V), nats."""
    return logits.log_softmax(-1).gather(-1, words[:, None])[:, 0]
