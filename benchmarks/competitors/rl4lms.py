"""PPO as RL4LMs does it, in `finetune`: three models, and a forward pass for each token.

`generate` of plain `transformers` writes a rollout; then policy, critic and frozen model process
every token again, one by one, each with a KV cache. An update computes, for every single token, the
text before it, padded on the left to the length of a whole text, with policy and critic; all logits
are computed, the last are used. The reward is a cheap score at the end, minus a KL penalty for each
token that the frozen model finds less likely than the policy. No model uses dropout.

Written anew for this benchmark from RL4LMs' source. In its favor: its environment, which copies and
decodes every text at every step, is left out; Adam and GELU are fused; the allocator keeps freed
memory; in bfloat16 the frozen weights are bfloat16, and the others are cast once a rollout and once
a minibatch. A minibatch holds `MINIBATCH` tokens, as for our policy without the episode buffer;
RL4LMs' default of 64 keeps four times as many activations until gradients are computed, while an
optimizer step takes a twentieth of a minibatch's time. The KL coefficient is constant.

Only `SAMPLED_TOKENS` of each text are learned from. They are spread evenly over all steps of a
text, so that they cost on average what all tokens cost; padded, each costs the same anyway.

Owns the algorithm. The models are in `rl4lms_models`.

Source: https://github.com/allenai/RL4LMs at 97df0bd, its policies and its PPO.
"""

import time
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F

from agents.language_model.memory_estimate import keep_freed_memory
from benchmarks.competitors.finetune_job import (
    MINIBATCH,
    NEW,
    SAMPLED_TOKENS,
    FinetuneJob,
    FinetuneResult,
    share_of_vowels,
)
from benchmarks.competitors.rl4lms_models import (
    ModelOutputs,
    Models,
    evaluate,
    evaluate_incrementally,
    generate,
)
from benchmarks.harness.device import default_device, synchronize
from lm_envs.tokenizer import Tokenizer

KL_COEFFICIENT = 0.1
GAMMA, LAMBDA, CLIP, VALUE_WEIGHT, MAX_GRADIENT_NORM = 0.99, 0.95, 0.2, 0.5, 0.5
LEARNING_RATE = 1.0e-6


def as_rl4lms(job: FinetuneJob) -> FinetuneResult:
    """Generates all texts, learns from a few tokens of each, and times both."""
    keep_freed_memory()  # as `agents.finetune` does
    torch.manual_seed(0)
    trainer = Trainer(job)
    rollout_s, update_s = [], []
    for _ in range(job.repeats + 1):
        start = time.perf_counter()
        rollout = trainer.collect_rollout()
        synchronize()
        between = time.perf_counter()
        trainer.update(rollout)
        synchronize()
        rollout_s.append(between - start)
        update_s.append(time.perf_counter() - between)
    num_learned = len(trainer.sampled)
    return FinetuneResult(rollout_s[1:], update_s[1:], job.num_texts * NEW, num_learned)


class Trainer:
    """The three models, their optimizer, and the two halves of a round.

    Args:
        job: All its prompts have the same length.

    Attributes:
        models: With the current weights.
        sampled: (M, 2) row and step of the tokens that are learned from.
    """

    def __init__(self, job: FinetuneJob) -> None:
        device = default_device()
        self.models = Models.load(job.folder, getattr(torch, job.dtype)).to(device)
        self.sampled = spread_evenly(job.num_texts, SAMPLED_TOKENS).to(device)
        self._prompts = torch.as_tensor(job.prompts, device=device)
        self._tokenizer = Tokenizer.from_folder(job.folder)
        self._optimizer = torch.optim.AdamW(self.models.trainable, LEARNING_RATE, fused=True)
        is_rounding = job.dtype == "bfloat16"
        self._cast = partial(torch.autocast, device.type, torch.bfloat16, enabled=is_rounding)

    def collect_rollout(self) -> "Rollout":
        """Generates a text after each prompt, evaluates all tokens and computes rewards."""
        with self._cast():
            tokens = generate(self.models.policy, self._prompts, NEW)
            outputs = evaluate_incrementally(self.models, tokens, self._prompts.shape[1])
        texts = [self._tokenizer.decode(row[-NEW:].numpy()) for row in tokens.cpu()]
        rewards = KL_COEFFICIENT * (outputs.frozen_logprobs - outputs.logprobs)
        rewards[:, -1] += torch.tensor(share_of_vowels(texts), device=rewards.device)
        return Rollout(tokens, outputs, compute_advantages(rewards, outputs.values))

    def update(self, rollout: "Rollout") -> None:
        """One epoch of PPO over the sampled tokens, in random order, one step a minibatch."""
        for chosen in self.sampled[torch.randperm(len(self.sampled))].split(MINIBATCH):
            batch = make_minibatch(rollout, chosen)
            with self._cast():
                logprobs, values = evaluate(self.models, batch.texts, batch.lengths, batch.tokens)
                loss = compute_loss(batch, logprobs, values)
            loss.backward()
            nn.utils.clip_grad_norm_(self.models.trainable, MAX_GRADIENT_NORM)
            self._optimizer.step()
            self._optimizer.zero_grad()  # here: frees the gradients before the next activations


@dataclass(frozen=True, slots=True)
class Rollout:
    """N texts of P prompt tokens and T generated tokens.

    Attributes:
        tokens: (N, P + T) int64.
        outputs: Of the three models, before the update.
        advantages: (N, T).
    """

    tokens: torch.Tensor
    outputs: ModelOutputs
    advantages: torch.Tensor


@dataclass(frozen=True, slots=True)
class Minibatch:
    """M tokens, each with the text before it.

    Attributes:
        texts: (M, P + T) text before each token, padded on the left.
        lengths: (M,) tokens of each text without padding.
        tokens: (M,) int64.
        logprobs: (M,) under the policy before the update, nats.
        advantages: (M,).
        returns: (M,).
    """

    texts: torch.Tensor
    lengths: torch.Tensor
    tokens: torch.Tensor
    logprobs: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


def compute_advantages(rewards: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Generalized advantage estimates (N, T) of whole episodes, from rewards and values (N, T).

    Source: Schulman et al. 2015, https://arxiv.org/abs/1506.02438
    """
    next_values = F.pad(values[:, 1:], (0, 1))  # 0 after the last step: every episode is complete
    errors = rewards + GAMMA * next_values - values
    advantages, running = torch.empty_like(errors), torch.zeros_like(errors[:, 0])
    for step in reversed(range(errors.shape[1])):
        running = errors[:, step] + GAMMA * LAMBDA * running
        advantages[:, step] = running
    return advantages


def spread_evenly(num_texts: int, num_tokens: int) -> torch.Tensor:
    """Row and step (N * K, 2) of K tokens of each of N texts, spread evenly over `NEW` steps."""
    rows = torch.arange(num_texts).repeat_interleave(num_tokens)
    part = torch.arange(num_tokens).repeat(num_texts)
    steps = (part + (rows + 0.5) / num_texts) * NEW / num_tokens
    return torch.stack([rows, steps.long()], 1)


def make_minibatch(rollout: Rollout, places: torch.Tensor) -> Minibatch:
    """The tokens of a rollout at rows and steps (M, 2)."""
    rows, steps = places.T
    outputs, advantages = rollout.outputs, rollout.advantages[rows, steps]
    width = rollout.tokens.shape[1]
    lengths = width - outputs.values.shape[1] + steps
    positions = (
        torch.arange(width, device=places.device) - (width - lengths)[:, None]
    )  # below 0 is padding
    texts = rollout.tokens[rows[:, None], positions.clamp(min=0)]
    return Minibatch(
        texts,
        lengths,
        rollout.tokens[rows, lengths],
        outputs.logprobs[rows, steps],
        advantages,
        advantages + outputs.values[rows, steps],
    )


def compute_loss(batch: Minibatch, logprobs: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """PPO's clipped loss plus the critic's squared error, with standardized advantages.

    Args:
        batch: M tokens.
        logprobs: (M,) of the tokens under the current policy, nats.
        values: (M,) of the current critic.

    Source: Schulman et al. 2017, https://arxiv.org/abs/1707.06347
    """
    advantages = batch.advantages - batch.advantages.mean()
    advantages = advantages / (batch.advantages.std(correction=0) + 1e-8)
    ratios = (logprobs - batch.logprobs).exp()
    clipped = ratios.clamp(1 - CLIP, 1 + CLIP)
    gains = torch.minimum(advantages * ratios, advantages * clipped)
    return VALUE_WEIGHT * F.mse_loss(values, batch.returns) - gains.mean()
