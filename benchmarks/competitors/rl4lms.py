"""PPO as RL4LMs does it: three models, every word read by each, and a forward pass for each word.

A rollout is written by `generate` of plain `transformers`; then policy, critic and frozen model
read every token again, one by one, with a cache each. An update reads for every single word the
text before it, padded on the left to the length of a whole one, with policy and critic; all logits
are computed, the last are used. Rewards are what a cheap score pays at the end, less a penalty for
each word that the frozen model holds less likely. No model drops anything out.

Written anew for this benchmark from what RL4LMs does. In its favor: its environment, which copies
and decodes every text at every step, is left out; Adam and GELU are fused, the allocator keeps what
is freed; in bfloat16 the frozen weights are bfloat16, and the others are cast once a rollout and
once a minibatch. Minibatches are of `MINIBATCH` words, as those of the policy without episodes;
RL4LMs ships 64, for which four times as much is kept until gradients are computed, while a step of
the optimizer takes a twentieth of a minibatch's time. The coefficient of the penalty stays.

Only `FEW_WORDS` of each text are learned from. They lie evenly over all places of a text, so that
they cost on average what all words do; padded, each costs the same anyway.

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
    FEW_WORDS,
    MINIBATCH,
    NEW,
    Job,
    Outcome,
    share_of_vowels,
)
from benchmarks.competitors.three_models import Models, Spoken, evaluate, generate, read_again
from lm_envs.tokenizer import Tokenizer

KL_COEFFICIENT = 0.1
GAMMA, LAMBDA, CLIP, VALUE_WEIGHT, LARGEST_GRADIENT = 0.99, 0.95, 0.2, 0.5, 0.5
LEARNING_RATE = 1.0e-6


def as_rl4lms(job: Job) -> Outcome:
    """Writes all texts, learns from a few words of each, and times the two."""
    keep_freed_memory()  # as `agents.finetune` does
    torch.manual_seed(0)
    trainer = Trainer(job)
    writing, learning = [], []
    for _ in range(job.repeats + 1):
        start = time.perf_counter()
        rollout = trainer.write()
        between = time.perf_counter()
        trainer.learn(rollout)
        writing.append(between - start)
        learning.append(time.perf_counter() - between)
    num_words = len(trainer.places)
    return Outcome(writing[1:], learning[1:], job.num_texts * NEW, num_words)


class Trainer:
    """Models, their optimizer, and what they do in a round.

    Args:
        job: Its prompts are all of one length.

    Attributes:
        models: As they are now.
        places: (M, 2) text and step of the words that are learned from.
    """

    def __init__(self, job: Job) -> None:
        self.models = Models.load(job.folder, getattr(torch, job.dtype))
        self.places = spread(job.num_texts, FEW_WORDS)
        self._prompts = torch.as_tensor(job.prompts)
        self._tokenizer = Tokenizer.from_folder(job.folder)
        self._optimizer = torch.optim.AdamW(self.models.learned, LEARNING_RATE, fused=True)
        is_rounding = job.dtype == "bfloat16"
        self._cast = partial(torch.autocast, "cpu", torch.bfloat16, enabled=is_rounding)

    def write(self) -> "Rollout":
        """Writes a text after each prompt, reads all again and judges them."""
        with self._cast():
            tokens = generate(self.models.policy, self._prompts, NEW)
            spoken = read_again(self.models, tokens, self._prompts.shape[1])
        texts = [self._tokenizer.decode(row[-NEW:].numpy()) for row in tokens]
        rewards = KL_COEFFICIENT * (spoken.frozen_log_probs - spoken.log_probs)
        rewards[:, -1] += torch.tensor(share_of_vowels(texts))
        return Rollout(tokens, spoken, advantages_of(rewards, spoken.values))

    def learn(self, rollout: "Rollout") -> None:
        """One epoch of PPO over the chosen places, in random order, a step a minibatch."""
        for chosen in self.places[torch.randperm(len(self.places))].split(MINIBATCH):
            batch = transitions(rollout, chosen)
            with self._cast():
                said = evaluate(self.models, batch.tokens, batch.lengths, batch.words)
                loss = loss_of(batch, *said)
            loss.backward()
            nn.utils.clip_grad_norm_(self.models.learned, LARGEST_GRADIENT)
            self._optimizer.step()
            self._optimizer.zero_grad()  # now, so that gradients do not stand beside activations


@dataclass(frozen=True, slots=True)
class Rollout:
    """N texts of P + T tokens, (N, P + T); what was said of them; and advantages (N, T)."""

    tokens: torch.Tensor
    spoken: Spoken
    advantages: torch.Tensor


@dataclass(frozen=True, slots=True)
class Transitions:
    """M words, each with all that stood before it.

    Attributes:
        tokens: (M, P + T) texts up to the word, padded on the left.
        lengths: (M,) tokens that are no padding.
        words: (M,).
        log_probs: (M,), before the update, nats.
        advantages: (M,).
        returns: (M,).
    """

    tokens: torch.Tensor
    lengths: torch.Tensor
    words: torch.Tensor
    log_probs: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor


def advantages_of(rewards: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Generalised advantages (N, T) of whole episodes, from rewards and values (N, T).

    Source: Schulman et al. 2015, https://arxiv.org/abs/1506.02438
    """
    following = F.pad(values[:, 1:], (0, 1))
    errors = rewards + GAMMA * following - values
    advantages, running = torch.empty_like(errors), torch.zeros_like(errors[:, 0])
    for step in reversed(range(errors.shape[1])):
        running = errors[:, step] + GAMMA * LAMBDA * running
        advantages[:, step] = running
    return advantages


def spread(num_texts: int, num_words: int) -> torch.Tensor:
    """Text and step (N * K, 2) of K words of each of N texts, evenly over all `NEW` steps."""
    texts = torch.arange(num_texts).repeat_interleave(num_words)
    part = torch.arange(num_words).repeat(num_texts)
    steps = (part + (texts + 0.5) / num_texts) * NEW / num_words
    return torch.stack([texts, steps.long()], 1)


def transitions(rollout: Rollout, places: torch.Tensor) -> Transitions:
    """The words at some texts and steps (M, 2)."""
    rows, steps = places.T
    spoken, advantages = rollout.spoken, rollout.advantages[rows, steps]
    width = rollout.tokens.shape[1]
    lengths = width - spoken.values.shape[1] + steps
    from_start = torch.arange(width) - (width - lengths)[:, None]  # below 0 is padding
    tokens = rollout.tokens[rows[:, None], from_start.clamp(min=0)]
    return Transitions(
        tokens,
        lengths,
        rollout.tokens[rows, lengths],
        spoken.log_probs[rows, steps],
        advantages,
        advantages + spoken.values[rows, steps],
    )


def loss_of(batch: Transitions, log_probs: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """PPO's clipped loss and the critic's squared error, of M words with standardized advantages.

    Source: Schulman et al. 2017, https://arxiv.org/abs/1707.06347
    """
    advantages = batch.advantages - batch.advantages.mean()
    advantages = advantages / (batch.advantages.std(correction=0) + 1e-8)
    ratios = (log_probs - batch.log_probs).exp()
    clipped = ratios.clamp(1 - CLIP, 1 + CLIP)
    gains = torch.minimum(advantages * ratios, advantages * clipped)
    return VALUE_WEIGHT * F.mse_loss(values, batch.returns) - gains.mean()
