"""Supervised start: the next-word loss on a task's own prompts and references.

Owns the optimisation before reinforcement learning begins. Knows nothing of rewards.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from agents.language_model.network import TrainableGPT2
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.tasks.task import Task

MAX_GRADIENT_NORM = 1.0


def warm_start(
    policy: LanguageModelPolicy,
    task: Task,
    *,
    steps: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
) -> Iterator[float]:
    """Takes one optimiser step after another; yields the loss of each, nats per word.

    Raises:
        ValueError: If the task has no references to learn from.
        FloatingPointError: If a loss is NaN or infinite; the weights are those before that step.
    """
    network = policy.network
    optimizer = torch.optim.Adam(network.parameters(), learning_rate)
    optimizer.register_step_post_hook(lambda *_: policy.refresh())
    rng = np.random.default_rng(seed)
    ending = policy.tokenizer.encode("\n" if task.is_turn_over("\n") else "")
    for step in range(steps):
        loss = next_word_loss(network, _draw(task, ending, rng, batch_size))
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"Got next-word loss {loss.item()} at step {step} of the warm start; the weights "
                "were not updated with it. Lower warm_start.learning_rate."
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), MAX_GRADIENT_NORM)
        optimizer.step()
        yield loss.item()


def next_word_loss(network: TrainableGPT2, texts: Sequence[np.ndarray]) -> torch.Tensor:
    """Mean negative log-probability, nats, of each word of some texts (T,) but their first."""
    device = next(network.parameters()).device
    lengths = torch.tensor([len(text) for text in texts], device=device)
    padded = [torch.as_tensor(text, device=device) for text in texts]
    tokens = torch.nn.utils.rnn.pad_sequence(padded, batch_first=True)  # (E, T)
    is_predicted = torch.arange(1, tokens.shape[1], device=device) < lengths[:, None]
    hidden = network(tokens)[:, :-1][is_predicted]  # (M, D)
    logprobs, _ = network.judge(hidden, tokens[:, 1:][is_predicted])
    return -logprobs.mean()


def _draw(
    task: Task, ending: np.ndarray, rng: np.random.Generator, batch_size: int
) -> list[np.ndarray]:
    """Prompts with their references and what ends a line, where the task is written in lines."""
    examples = [task.example(task.draw(rng)) for _ in range(batch_size)]
    if not any(len(example.reference) for example in examples):
        raise ValueError(
            f"Got {type(task).__name__}, which has no references to start from; leave warm_start "
            "out."
        )
    return [np.concatenate([example.prompt, example.reference, ending]) for example in examples]
