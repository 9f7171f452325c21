"""Memory of an update of a language model: an estimate before it begins, and the allocator.

Owns the estimate. The bytes that autograd saves for one text are measured, not derived, so they
hold for any shape, precision and checkpointing.
"""

import ctypes
import math
import os
import sys
from pathlib import Path
from typing import NamedTuple

import torch

from agents.language_model.network import TrainableNetwork, logits_per_chunk
from lm_envs.model.state.memory import free_memory, total_memory

SHARE = 0.9
"""Share of the available memory that an update may take."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`. Source: https://man7.org/linux/man-pages/man3/mallopt.3.html"""

CHUNKS = 4
"""Float32 chunks of logits in memory at once while one is computed or differentiated."""


def keep_freed_memory() -> bool:
    """Makes glibc's allocator keep freed memory; returns whether the allocator is glibc's.

    An update frees gigabytes and allocates them again for the next. Returning large blocks to the
    system in between costs more than a third of its time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    wanted = {M_TRIM_THRESHOLD: 2**31 - 1, M_MMAP_MAX: 0}
    return mallopt is not None and all(mallopt(name, value) for name, value in wanted.items())


def check_batch(
    network: TrainableNetwork,
    *,
    batch_size: int,
    steps_per_text: float,
    length: int,
    available: int | None = None,
) -> None:
    """Checks that the update of a minibatch fits in memory.

    Args:
        network: To be trained.
        batch_size: Steps in a minibatch.
        steps_per_text: Mean number of steps per text; each text is forwarded once.
        length: Tokens of the longest text.
        available: Bytes; default the free memory of the network's device.

    Raises:
        MemoryError: If it does not fit; the message names the largest batch that does.
    """
    budget = MemoryBudget.for_network(network, length, available)
    num_texts = math.ceil(batch_size / steps_per_text)
    if num_texts <= budget.max_texts:
        return
    needed, allowed = budget.fixed + num_texts * budget.per_text, budget.allowed
    largest = int(budget.max_texts * steps_per_text)
    remedy = f"up to {largest}" if largest > 0 else "none with this model and these lengths"
    raise MemoryError(
        f"Got a batch of {batch_size} steps in texts of up to {length} tokens, whose update takes "
        f"about {needed / 2**30:.2f} GiB of {allowed / 2**30:.2f}; allowed here: {remedy}. Lower "
        "algorithm.kwargs.batch_size (n_steps with A2C), or set gradient_checkpointing: true."
    )


class MemoryBudget(NamedTuple):
    """Bytes of an update.

    Attributes:
        fixed: Needed for any number of texts.
        per_text: Needed for each text.
        allowed: Maximum in total.
    """

    fixed: int
    per_text: int
    allowed: float

    @classmethod
    def for_network(
        cls, network: TrainableNetwork, length: int, available: int | None = None
    ) -> "MemoryBudget":
        """Returns the budget for texts of `length` tokens; `available` as in `check_batch`."""
        device = next(network.parameters()).device
        allowed = SHARE * (available_memory(device) if available is None else available)
        weights = sum(each.numel() * each.element_size() for each in network.trainable_parameters)
        if device.type == "cuda":  # the decoder of the rollouts is kept during updates
            allowed -= sum(each.numel() * each.element_size() for each in network.parameters())
        chunks = CHUNKS * 4 * logits_per_chunk(device)
        shared, per_text = saved_bytes(network, length)
        return cls(3 * weights + chunks + shared, per_text, allowed)  # gradients, Adam's moments

    @property
    def max_texts(self) -> int:
        """Maximum number of texts in one update."""
        return max(0, int((self.allowed - self.fixed) // self.per_text))


def saved_bytes(network: TrainableNetwork, length: int) -> tuple[int, int]:
    """Measures the bytes that autograd saves for the backward pass: shared, and per text.

    Args:
        network: To be trained.
        length: Tokens of a text.

    Returns:
        Shared bytes, such as weights cast to bfloat16, and bytes of one text. With gradient
        checkpointing the latter are the inputs of the blocks and the saved tensors of one block.
    """
    shared, per_text = _shared_and_per_text(network, length)
    if network.is_checkpointing:
        network.checkpoint_gradients(is_on=False)
        per_text += (
            _shared_and_per_text(network, length)[1] // network.model.config.num_hidden_layers
        )
        network.checkpoint_gradients(is_on=True)
    return shared, per_text


def _shared_and_per_text(network: TrainableNetwork, length: int) -> tuple[int, int]:
    one, two = (_total_saved(network, num_texts, length) for num_texts in (1, 2))
    return 2 * one - two, two - one


def _total_saved(network: TrainableNetwork, num_texts: int, length: int) -> int:
    parameters = {each.untyped_storage().data_ptr() for each in network.parameters()}
    saved: dict[int, torch.UntypedStorage] = {}  # references, so that no address is reused

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            saved[storage.data_ptr()] = storage
        return tensor

    device, was_training = next(network.parameters()).device, network.training
    tokens = torch.zeros(num_texts, length, dtype=torch.long, device=device)
    network.train()  # as in updates; blocks are checkpointed only then
    was_trainable = network.trainable_parameters[0].requires_grad
    network.set_trainable(is_on=True)  # the value head's warm-up may have disabled it
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        network(tokens)
    network.train(was_training)
    network.set_trainable(is_on=was_trainable)
    return sum(storage.nbytes() for storage in saved.values())


def available_memory(device: torch.device | str = "cpu") -> int:
    """Returns the bytes that can be allocated without swapping, on the CPU or a CUDA device.

    On CUDA they include what PyTorch's allocator holds for reuse. Without a limit, `sys.maxsize`,
    where the system does not state its memory.
    """
    device = torch.device(device)
    if device.type == "cuda":
        return free_memory(device)
    known = Path("/proc/meminfo")
    lines = known.read_text().splitlines() if known.exists() else []
    found = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return next(found, None) or total_memory() or sys.maxsize
