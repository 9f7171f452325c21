"""Supervised start: the next-word loss on a task's references, before anything is explored."""

import numpy as np
import torch

from agents.language_model.policy import LanguageModelPolicy
from lm_envs.tasks.task import Task

IGNORED = -100


def warm_start(
    policy: LanguageModelPolicy,
    task: Task,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> list[float]:
    """Teaches the policy to write the references of random examples; the loss of each step.

    The loss is the mean cross-entropy of reference and end of text, nats per token; the prompt is
    not paid for.

    Raises:
        FloatingPointError: If a loss is NaN or infinite; the step is not taken.
    """
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(policy.network.parameters(), lr=learning_rate, weight_decay=0.0)
    losses = []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * (1.0 - step / steps)
        tokens, targets = _batch(policy, task, rng, batch_size)
        hidden = policy.network(tokens)
        is_counted = targets != IGNORED
        logprobs, _ = policy.network.judge(hidden[is_counted], targets[is_counted])
        loss = -logprobs.mean()
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"Got loss={loss.item()} at step {step} of the supervised start; lower "
                "warm_start.learning_rate."
            )
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    policy.refresh()
    return losses


def _batch(
    policy: LanguageModelPolicy, task: Task, rng: np.random.Generator, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts (B, T) and, where a reference's token comes next, that token; else IGNORED."""
    texts, starts = [], []
    for _ in range(size):
        example = task.example(task.draw(rng))
        texts.append(
            np.concatenate([example.prompt, example.reference, [policy.tokenizer.end_token]])
        )
        starts.append(len(example.prompt))
    width = max(map(len, texts))
    tokens = np.zeros((size, width), np.int64)
    targets = np.full((size, width), IGNORED, np.int64)
    for row, (text, start) in enumerate(zip(texts, starts, strict=True)):
        tokens[row, : len(text)] = text
        targets[row, start - 1 : len(text) - 1] = text[start:]
    return torch.from_numpy(tokens), torch.from_numpy(targets)
