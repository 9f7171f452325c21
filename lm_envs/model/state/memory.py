"""Whether the rows of an engine fit into the device's memory, asked before anything is allocated.

Owns the estimate: keys and values, hidden states, and the activations of a pass.
"""

import os

import torch

from lm_envs.model.base import LanguageModel
from lm_envs.model.batching import TOKENS_PER_PASS
from lm_envs.model.kv_cache import round_up

SHARE = 0.95
"""Of the free memory; the allocator loses some to its blocks."""


def check_room(
    model: LanguageModel,
    num_rows: int,
    capacity: int,
    cache_dtype: torch.dtype | None,
    free_bytes: int | None = None,
) -> None:
    """Refuses rows that do not fit into the memory of a CUDA device, or of the computer.

    Args:
        model: The network, already in memory.
        num_rows: N.
        capacity: Most tokens in a row.
        cache_dtype: Type of stored keys and values; None for that of the model's linears.
        free_bytes: Free memory; None for that of the CUDA device, or all of the computer's memory.

    Raises:
        ValueError: Naming the most rows that fit.
    """
    if free_bytes is None:
        is_cuda = model.device.type == "cuda"
        free_bytes = free_memory(model.device) if is_cuda else total_memory()
    if free_bytes is None:
        return
    a_row, fixed = row_bytes(model, capacity, cache_dtype), pass_bytes(model)
    most = max(0, int((SHARE * free_bytes - fixed) // a_row))
    if num_rows > most:
        gib = (num_rows * a_row + fixed) / 2**30
        elsewhere = ", or device='cpu'" if model.device.type == "cuda" else ""
        raise ValueError(
            f"Got {num_rows} rows of up to {capacity} tokens, which need about {gib:.1f} GiB; free "
            f"on {model.device}: {free_bytes / 2**30:.1f} GiB, enough for {most} rows. Use fewer "
            f"rows (num_envs), shorter texts, cache_dtype='int8'{elsewhere}."
        )


def free_memory(device: torch.device) -> int:
    """Bytes that a process can still allocate: free ones, and what its allocator holds unused."""
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + held


def total_memory() -> int | None:
    """Bytes of the computer's memory, free or not; None where the system does not state it."""
    names = ("SC_PAGE_SIZE", "SC_PHYS_PAGES")
    if not {*names} <= {*getattr(os, "sysconf_names", {})}:
        return None
    return os.sysconf(names[0]) * os.sysconf(names[1])


def row_bytes(model: LanguageModel, capacity: int, cache_dtype: torch.dtype | None) -> int:
    """Bytes of one row: its keys and values, hidden state and logits."""
    config, dtype = model.config, cache_dtype or model.dtype
    scales = 4 if dtype == torch.int8 else 0  # one float32 a vector
    vectors = 2 * config.num_layers * config.num_kv_heads * round_up(capacity)
    stored = vectors * (config.head_size * dtype.itemsize + scales)
    return stored + 4 * config.hidden_size + 8 * config.vocab_size


def pass_bytes(model: LanguageModel) -> int:
    """Bytes of the activations of one pass over TOKENS_PER_PASS tokens."""
    config = model.config
    widths = 6 * config.hidden_size + config.mlp_matrices * config.intermediate_size
    return TOKENS_PER_PASS * 4 * widths
