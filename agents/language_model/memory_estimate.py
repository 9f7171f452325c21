"""Whether an update of a language model fits in memory, told before it begins; what is kept after.

Owns the estimate: what autograd keeps of one text is measured, not derived, so it holds for any
shape, precision and checkpointing.
"""

import ctypes
import math
import os
from pathlib import Path
from typing import NamedTuple

import torch

from agents.language_model.network import LOGITS_PER_CHUNK, TrainableGPT2

SHARE = 0.9
"""Of the available memory that an update may take."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Parameters of glibc's `mallopt`. Source: https://man7.org/linux/man-pages/man3/mallopt.3.html"""

CHUNKS = 4
"""Chunks of logits, float32, that exist at once while one is judged or differentiated."""


def keep_freed_memory() -> bool:
    """Lets this process keep what it frees, where its allocator is glibc's; whether it is.

    An update frees gigabytes and takes them again for the next, which costs more than a third of
    its time where large blocks go back to the system in between.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    wanted = {M_TRIM_THRESHOLD: 2**31 - 1, M_MMAP_MAX: 0}
    return mallopt is not None and all(mallopt(name, value) for name, value in wanted.items())


def check_batch(
    network: TrainableGPT2,
    *,
    batch_size: int,
    steps_per_text: float,
    length: int,
    available: int | None = None,
) -> None:
    """Refuses a minibatch whose update would not fit.

    Args:
        network: What is to learn.
        batch_size: Steps in a minibatch.
        steps_per_text: Mean of a minibatch's texts, each of which is read once.
        length: Tokens of the longest text.
        available: Bytes; default what the network's device has left.

    Raises:
        MemoryError: Naming the largest batch that fits.
    """
    room = Room.of(network, length, available)
    num_texts = math.ceil(batch_size / steps_per_text)
    if num_texts <= room.most_texts:
        return
    needed, allowed = room.fixed + num_texts * room.per_text, room.allowed
    largest = int(room.most_texts * steps_per_text)
    remedy = f"up to {largest}" if largest > 0 else "none with this model and these lengths"
    raise MemoryError(
        f"Got a batch of {batch_size} steps in texts of up to {length} tokens, whose update takes "
        f"about {needed / 2**30:.2f} GiB of {allowed / 2**30:.2f}; allowed here: {remedy}. Lower "
        "algorithm.kwargs.batch_size (n_steps with A2C), or set gradient_checkpointing: true."
    )


class Room(NamedTuple):
    """What an update takes, bytes: whatever it reads, and for each text; and what it may take."""

    fixed: int
    per_text: int
    allowed: float

    @classmethod
    def of(cls, network: TrainableGPT2, length: int, available: int | None = None) -> "Room":
        """Of a network and texts of so many tokens; `available` as in `check_batch`."""
        device = next(network.parameters()).device
        allowed = SHARE * (available_memory(device) if available is None else available)
        weights = sum(each.numel() * each.element_size() for each in network.learned)
        chunks = CHUNKS * 4 * LOGITS_PER_CHUNK
        shared, per_text = bytes_kept(network, length)
        return cls(3 * weights + chunks + shared, per_text, allowed)  # gradients, Adam's moments

    @property
    def most_texts(self) -> int:
        """How many texts can be learned from at once."""
        return max(0, int((self.allowed - self.fixed) // self.per_text))


def bytes_kept(network: TrainableGPT2, length: int) -> tuple[int, int]:
    """What autograd keeps until the gradient is computed: of all texts together, and of each.

    Args:
        network: What is to learn.
        length: Tokens of a text.

    Returns:
        Bytes such as those of weights cast to bfloat16, and bytes of one text. With gradient
        checkpointing the latter are the inputs of the blocks and what one block keeps.
    """
    shared, per_text = _kept(network, length)
    if network.is_checkpointing:
        network.checkpoint_gradients(is_on=False)
        per_text += _kept(network, length)[1] // network.model.config.n_layer
        network.checkpoint_gradients(is_on=True)
    return shared, per_text


def _kept(network: TrainableGPT2, length: int) -> tuple[int, int]:
    one, two = (_kept_of(network, num_texts, length) for num_texts in (1, 2))
    return 2 * one - two, two - one


def _kept_of(network: TrainableGPT2, num_texts: int, length: int) -> int:
    parameters = {each.untyped_storage().data_ptr() for each in network.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}  # held, so that no address comes twice

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            kept[storage.data_ptr()] = storage
        return tensor

    device, was_training = next(network.parameters()).device, network.training
    tokens = torch.zeros(num_texts, length, dtype=torch.long, device=device)
    network.train()  # as in updates; blocks are checkpointed only then
    was_learning = network.learned[0].requires_grad
    network.let_learn(is_on=True)  # it may be the value head's warm-up yet
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
        network(tokens)
    network.train(was_training)
    network.let_learn(is_on=was_learning)
    return sum(storage.nbytes() for storage in kept.values())


def available_memory(device: torch.device | str = "cpu") -> int:
    """Bytes that can be allocated now without swapping, of the machine or of a CUDA device."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    known = Path("/proc/meminfo")
    lines = known.read_text().splitlines() if known.exists() else []
    found = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    return next(found, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
