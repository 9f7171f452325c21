"""Supervised start: the next-token loss on a task's own prompts and references.

Owns the optimization before reinforcement learning, and the training pairs. Knows nothing of
rewards.
"""

import math
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from agents.language_model.network import TrainableNetwork
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.tasks.base import Example, Task
from lm_envs.tokenizer import Tokenizer

MAX_GRADIENT_NORM = 1.0
"""Gradients are scaled down to this norm: a rare text must not undo many steps."""


def warm_start(
    policy: LanguageModelPolicy,
    task: Task,
    *,
    steps: int,
    learning_rate: float,
    batch_size: int,
    seed: int,
) -> Iterator[float]:
    """Takes optimizer steps on random references; yields the loss of each, nats per token.

    Examples without a reference are left out, with a warning.

    Raises:
        ValueError: If the task has no references.
        FloatingPointError: If a loss is NaN or infinite; the weights are those before that step.
    """
    trainer = SupervisedTrainer(policy, learning_rate, "warm_start")
    rng = np.random.default_rng(seed)
    usable = _with_reference(task)
    for _ in range(steps):
        yield trainer.step(*_draw_batch(task, usable, policy.tokenizer, rng, batch_size))
    trainer.finish()


class SupervisedTrainer:
    """Adam on the next-token loss of given texts.

    Args:
        policy: Its network is trained in place.
        learning_rate: Of Adam.
        stage: Configuration key of this stage, for error messages.
    """

    def __init__(self, policy: LanguageModelPolicy, learning_rate: float, stage: str) -> None:
        self._policy, self._network, self._stage = policy, policy.network, stage
        self._optimizer = torch.optim.Adam(self._network.trainable_parameters, learning_rate)
        # Cached keys and values belong to the weights before the step.
        self._optimizer.register_step_post_hook(lambda *_: policy.clear_cache())
        self._num_steps = 0

    def step(self, texts: Sequence[np.ndarray], starts: Sequence[int]) -> float:
        """Takes one optimizer step; returns its `next_token_loss`.

        Raises:
            FloatingPointError: If the loss or its gradient is NaN or infinite; the weights are
                those before the step.
        """
        return self.minimize(next_token_loss(self._network, texts, starts))

    def minimize(self, loss: torch.Tensor) -> float:
        """Takes one optimizer step on a loss () of the network; returns its value.

        Raises:
            FloatingPointError: As `step`.
        """
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        parameters = self._network.trainable_parameters
        norm = torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT_NORM)
        found, size = torch.stack([loss.detach(), norm]).tolist()  # waits for the device: once
        self._check(found, f"next-token loss {found}")
        self._check(size, f"a gradient of norm {size}")
        self._optimizer.step()
        self._num_steps += 1
        return found

    def finish(self) -> None:
        """Ends the stage: the copy behind an NLPO mask has to take the new weights."""
        if self._policy.masker is not None:
            self._policy.masker.mark_stale()

    def _check(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise FloatingPointError(
                f"Got {what} at step {self._num_steps} of {self._stage}; the weights were not "
                f"updated with it. Lower {self._stage}.learning_rate."
            )


def next_token_loss(
    network: TrainableNetwork, texts: Sequence[np.ndarray], starts: Sequence[int]
) -> torch.Tensor:
    """Computes the mean negative log-probability () of the tokens after each prompt, nats.

    Args:
        network: Computes the log-probabilities.
        texts: Token ids (T,) of each prompt with its completion.
        starts: Number of prompt tokens of each text, 1 or more.
    """
    device = next(network.parameters()).device
    padded = np.zeros((len(texts), max(map(len, texts))), np.int64)  # (E, T)
    is_predicted = np.zeros_like(padded, bool)
    for row, (text, start) in enumerate(zip(texts, starts, strict=True)):
        padded[row, : len(text)] = text
        is_predicted[row, start : len(text)] = True
    # Found on the host: a mask on a GPU would wait for it, to learn how many tokens count.
    places = np.flatnonzero(is_predicted)
    before, targets = torch.as_tensor(np.stack([places - 1, padded.ravel()[places]]), device=device)
    states = network(torch.as_tensor(padded, device=device))
    hidden = states.flatten(0, 1).index_select(0, before)  # (M, D)
    logprobs, _ = network.logprobs_and_entropy(hidden, targets)
    return -logprobs.mean()


def supervised_pairs(
    task: Task, tokenizer: Tokenizer, example: Example
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields the prompt and the reference completion of each turn of an example, as token ids.

    A completion ends as the model would end it: by the end-of-text token if the episode ends with
    it, by a line break if another turn may follow.
    """
    if not task.is_turn_over("\n"):
        yield example.prompt, example.reference
        return
    if task.max_turns == 1:
        yield example.prompt, np.append(example.reference, tokenizer.end_token)
        return
    turns: list[str] = []
    context, is_over = example.prompt, False
    while not is_over:
        turns.append(task.oracle_completion(example, turns))
        yield context, tokenizer.encode_completion(f"{turns[-1]}\n")
        response = task.respond(example, turns)
        context, is_over = tokenizer.encode_prompt(response.context), response.is_over


def _with_reference(task: Task) -> list[int]:
    """Indices of the examples that have a reference.

    Raises:
        ValueError: If no example has one.
    """
    numbers = range(task.num_examples)
    usable = [number for number in numbers if len(task.example(number).reference)]
    if not usable:
        raise ValueError(
            f"Got {type(task).__name__}, which has no references to start from; leave "
            "warm_start out."
        )
    if len(usable) < len(numbers):
        warnings.warn(
            f"Left {len(numbers) - len(usable)} of {len(numbers)} examples without a reference out "
            "of warm_start: a text of one token, for instance, has nothing after its prompt.",
            UserWarning,
            stacklevel=3,  # the caller of the generator
        )
    return usable


def _draw_batch(
    task: Task,
    usable: Sequence[int],
    tokenizer: Tokenizer,
    rng: np.random.Generator,
    batch_size: int,
) -> tuple[list[np.ndarray], list[int]]:
    """Draws texts of `usable` examples; returns their token ids and numbers of prompt tokens."""
    texts: list[np.ndarray] = []
    starts: list[int] = []
    while len(texts) < batch_size:
        example = task.example(usable[int(rng.integers(len(usable)))])
        for prompt, completion in supervised_pairs(task, tokenizer, example):
            texts.append(np.concatenate([prompt, completion]))
            starts.append(len(prompt))
    return texts[:batch_size], starts[:batch_size]
