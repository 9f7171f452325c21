"""Supervised start: the next-word loss on a task's own prompts and references.

Owns the optimization before reinforcement learning begins. Knows nothing of rewards.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from agents.language_model.network import TrainableGPT2
from agents.language_model.policy import LanguageModelPolicy
from lm_envs.tasks.base import Example, Task
from lm_envs.tokenizer import Tokenizer

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
    """Takes one optimizer step after another; yields the loss of each, nats per word.

    Raises:
        ValueError: If the task has no references to learn from.
        FloatingPointError: If a loss is NaN or infinite; the weights are those before that step.
    """
    learner = NextWordLearner(policy, learning_rate, "warm_start")
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        yield learner.learn(*_draw(task, policy.tokenizer, rng, batch_size))
    learner.close()


class NextWordLearner:
    """Adam on the next-word loss of given texts.

    Args:
        policy: Whose network is to learn.
        learning_rate: Of Adam.
        stage: For error messages: the key whose `learning_rate` this is.
    """

    def __init__(self, policy: LanguageModelPolicy, learning_rate: float, stage: str) -> None:
        self._policy, self._network, self._stage = policy, policy.network, stage
        self._optimizer = torch.optim.Adam(self._network.learned, learning_rate)
        self._optimizer.register_step_post_hook(lambda *_: policy.refresh())
        self._step = 0

    def learn(self, texts: Sequence[np.ndarray], starts: Sequence[int]) -> float:
        """Takes one step, of `next_word_loss`, which it returns.

        Raises:
            FloatingPointError: If the loss or its gradient is NaN or infinite; the weights are
                those before the step.
        """
        loss = next_word_loss(self._network, texts, starts)
        self._check(loss, f"next-word loss {loss.item()}")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self._network.learned, MAX_GRADIENT_NORM)
        self._check(norm, f"a gradient of norm {norm.item()}")
        self._optimizer.step()
        self._step += 1
        return loss.item()

    def close(self) -> None:
        """Ends the stage: a mask's copy is of the policy as it was before."""
        if self._policy.masker is not None:
            self._policy.masker.expire()

    def _check(self, value: torch.Tensor, what: str) -> None:
        if not torch.isfinite(value):
            raise FloatingPointError(
                f"Got {what} at step {self._step} of {self._stage}; the weights were not updated "
                f"with it. Lower {self._stage}.learning_rate."
            )


def next_word_loss(
    network: TrainableGPT2, texts: Sequence[np.ndarray], starts: Sequence[int]
) -> torch.Tensor:
    """Mean negative log-probability, nats, of each word of some texts (T,) from its start on.

    Args:
        network: What is to learn.
        texts: Prompts and what is written after them.
        starts: How many tokens of each are the prompt, 1 or more.
    """
    device = next(network.parameters()).device
    lengths = torch.tensor([len(text) for text in texts], device=device)
    firsts = torch.tensor(starts, device=device)
    padded = [torch.as_tensor(text, device=device) for text in texts]
    tokens = torch.nn.utils.rnn.pad_sequence(padded, batch_first=True)  # (E, T)
    places = torch.arange(1, tokens.shape[1], device=device)
    is_predicted = (places < lengths[:, None]) & (places >= firsts[:, None])
    hidden = network(tokens)[:, :-1][is_predicted]  # (M, D)
    logprobs, _ = network.judge(hidden, tokens[:, 1:][is_predicted])
    return -logprobs.mean()


def _draw(
    task: Task, tokenizer: Tokenizer, rng: np.random.Generator, batch_size: int
) -> tuple[list[np.ndarray], list[int]]:
    """Random texts, and how many tokens of each are the prompt."""
    texts: list[np.ndarray] = []
    starts: list[int] = []
    while len(texts) < batch_size:
        example = task.example(int(rng.integers(task.num_examples)))
        if not len(example.reference):
            raise ValueError(
                f"Got {type(task).__name__}, which has no references to start from; leave "
                "warm_start out."
            )
        for prompt, line in _lines(task, tokenizer, example):
            texts.append(np.concatenate([prompt, line]))
            starts.append(len(prompt))
    return texts[:batch_size], starts[:batch_size]


def _lines(
    task: Task, tokenizer: Tokenizer, example: Example
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What the model reads, and what a perfect agent writes then, turn by turn.

    A line ends as the model ends it: by the end of text where it is the last thing written.
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
        yield context, tokenizer.encode(f" {turns[-1]}\n")
        response = task.respond(example, turns)
        context, is_over = tokenizer.encode(response.context), response.is_over
