"""Policy, critic and frozen model of `rl4lms`, each a whole GPT-2 of its own.

Owns how RL4LMs evaluates texts: token by token with a KV cache in a rollout, and one padded text
for each token in an update. Knows nothing of rewards or losses.
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

LastOutput = tuple[torch.Tensor, Cache | None]
"""Float32 output at the last token, logits (M, V) or values (M,); and the KV cache."""


@dataclass(frozen=True, slots=True)
class Models:
    """The trained policy, its critic, and the frozen initial policy; none uses dropout."""

    policy: GPT2LMHeadModel
    critic: "Critic"
    frozen: GPT2LMHeadModel

    @classmethod
    def load(cls, folder: Path, frozen_dtype: torch.dtype = torch.float32) -> "Models":
        """Three copies of a checkpoint's weights; the trained ones are float32."""
        policy, frozen = (
            GPT2LMHeadModel.from_pretrained(folder, dtype=dtype, activation_function=FUSED_GELU)
            for dtype in (torch.float32, frozen_dtype)
        )
        return cls(policy, Critic(folder), frozen.requires_grad_(requires_grad=False))

    def to(self, device: torch.device) -> "Models":
        """Moves the weights in place; returns the same models."""
        for model in (self.policy, self.critic, self.frozen):
            nn.Module.to(model, device)
        return self

    @property
    def trainable(self) -> list[nn.Parameter]:
        """Parameters of policy and critic."""
        return [*self.policy.parameters(), *self.critic.parameters()]


class Critic(nn.Module):
    """A GPT-2 of its own with a linear value head on the last hidden state."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.trunk = GPT2Model.from_pretrained(
            folder, dtype=torch.float32, activation_function=FUSED_GELU
        )
        self.head = nn.Linear(self.trunk.config.n_embd, 1)

    def forward(self, tokens: torch.Tensor, **options: Any) -> LastOutput:  # noqa: ANN401
        """Values (M,) after tokens (M, C), and the cache; `options` are those of `GPT2Model`."""
        output = self.trunk(tokens, **options)
        return self.head(output.last_hidden_state[:, -1])[:, 0].float(), output.past_key_values


@dataclass(frozen=True, slots=True)
class ModelOutputs:
    """Outputs of the three models for N texts at each of T generated tokens; (N, T) each.

    Attributes:
        logprobs: Of the tokens under the policy, nats.
        values: Of the critic, before each token.
        frozen_logprobs: Of the tokens under the frozen model, nats.
    """

    logprobs: torch.Tensor
    values: torch.Tensor
    frozen_logprobs: torch.Tensor


def generate(policy: GPT2LMHeadModel, prompts: torch.Tensor, num_tokens: int) -> torch.Tensor:
    """Samples T tokens after each prompt (N, P); returns (N, P + T). No text ends early."""
    return policy.generate(  # type: ignore[attr-defined]  # missing in transformers' type stub
        prompts,
        attention_mask=torch.ones_like(prompts),
        do_sample=True,
        top_k=0,
        max_new_tokens=num_tokens,
        min_new_tokens=num_tokens,
        pad_token_id=0,
    )


@torch.no_grad()
def evaluate_incrementally(models: Models, tokens: torch.Tensor, num_prompt: int) -> ModelOutputs:
    """Outputs of the models for tokens (N, P + T) after the first P, one token at a time."""
    forwards = (partial(_logits, models.policy), models.critic, partial(_logits, models.frozen))
    steps = zip(*(_outputs_by_step(each, tokens, num_prompt) for each in forwards), strict=True)
    generated = tokens[:, num_prompt:].T
    columns = [
        (_logprob(logits, column), values, _logprob(frozen_logits, column))
        for column, (logits, values, frozen_logits) in zip(generated, steps, strict=True)
    ]
    return ModelOutputs(*(torch.stack(column, 1) for column in zip(*columns, strict=True)))


def evaluate(
    models: Models, texts: torch.Tensor, lengths: torch.Tensor, tokens: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and values (M,) of tokens after texts, by a pass over each padded text.

    Args:
        models: Policy and critic.
        texts: (M, C) int64, padded on the left.
        lengths: (M,) tokens of each text without padding.
        tokens: (M,) int64.
    """
    width = texts.shape[1]
    positions = (
        torch.arange(width, device=lengths.device) - (width - lengths)[:, None]
    )  # below 0 is padding
    options = {
        "attention_mask": (positions >= 0).long(),
        "position_ids": positions.clamp(min=0),
        "use_cache": False,
    }
    logits, _ = _logits(models.policy, texts, **options)
    values, _ = models.critic(texts, **options)
    return _logprob(logits, tokens), values


def _logits(model: GPT2LMHeadModel, tokens: torch.Tensor, **options: Any) -> LastOutput:  # noqa: ANN401
    output = model(tokens, **options)
    return output.logits[:, -1].float(), output.past_key_values


def _outputs_by_step(
    forward: Callable[..., LastOutput], tokens: torch.Tensor, num_prompt: int
) -> Iterator[torch.Tensor]:
    """Outputs after the first P tokens and after each further token except the last.

    Each token is processed once, thanks to the KV cache.
    """
    cache, first = None, 0
    for end in range(num_prompt, tokens.shape[1]):
        output, cache = forward(tokens[:, first:end], past_key_values=cache, use_cache=True)
        first = end
        yield output


def _logprob(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (M,) of tokens (M,) under logits (M, V), nats."""
    return logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
