"""Training of a language model on lessons: cross-entropy against the agent's shares.

Owns the loss and the order of the lessons. Knows nothing of agents or environments.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from agents.imitation.lessons import Lesson
from agents.language_model.network import TrainableNetwork
from agents.language_model.policy import LanguageModelPolicy
from agents.language_model.warm_start import SupervisedTrainer


def imitate(
    policy: LanguageModelPolicy,
    lessons: Sequence[Lesson],
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> Iterator[float]:
    """Takes optimizer steps on lessons in a random order; yields the loss of each, nats per token.

    Every lesson is taken once before one is taken again.

    Raises:
        FloatingPointError: If a loss is NaN or infinite; the weights are those before that step.
    """
    trainer = SupervisedTrainer(policy, learning_rate, "distill")
    rng = np.random.default_rng(seed)
    waiting: list[int] = []
    for _ in range(steps):
        batch: list[Lesson] = []
        while len(batch) < batch_size:
            waiting = waiting or rng.permutation(len(lessons)).tolist()
            batch.append(lessons[waiting.pop()])
        yield trainer.minimize(lesson_loss(policy.network, batch))
    trainer.finish()


def lesson_loss(network: TrainableNetwork, lessons: Sequence[Lesson]) -> torch.Tensor:
    """Computes the mean cross-entropy () of the network against the lessons' shares, nats a token.

    The network's probabilities are over its whole vocabulary, so that tokens that the agent was not
    offered lose as well.

    Source: Hinton, Vinyals and Dean 2015, https://arxiv.org/abs/1503.02531 (distillation).
    """
    device = next(network.parameters()).device
    width = max(len(lesson.tokens) for lesson in lessons)
    most = max(lesson.candidates.shape[1] for lesson in lessons)
    padded = np.zeros((len(lessons), width), np.int64)
    places, candidates, shares = [], [], []
    for row, lesson in enumerate(lessons):
        size = len(lesson.tokens)
        padded[row, :size] = lesson.tokens
        places.append(row * width + np.arange(lesson.start, size) - 1)  # the token before each
        missing = ((0, 0), (0, most - lesson.candidates.shape[1]))
        # The padding repeats a candidate: token 0 may have the log-probability -inf, whose product
        # with 0 is NaN.
        candidates.append(np.pad(lesson.candidates, missing, mode="edge"))
        shares.append(np.pad(lesson.shares, missing))  # a share of 0: the padding does not count
    states = network(torch.as_tensor(padded, device=device)).flatten(0, 1)
    hidden = states.index_select(0, torch.as_tensor(np.concatenate(places), device=device))
    logprobs = network.logits(hidden).log_softmax(1)  # (M, V)
    wanted = torch.as_tensor(np.concatenate(candidates), device=device)
    weights = torch.as_tensor(np.concatenate(shares), device=device, dtype=logprobs.dtype)
    return -(logprobs.gather(1, wanted) * weights).sum(1).mean()
