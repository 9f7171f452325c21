import copy

import numpy as np
import torch

from lm_envs.model.prompt_cache import CachedText, PromptCache, shared

WIDTH, STATE = 2 * 3 * 2 * 16 * 4, 5 * 4
"""Bytes of a token's keys and values, and of packed outputs."""


def make_text(size):
    return CachedText((torch.ones(2, 3, 2, size, 16),), np.ones(5, np.float32))


def test_a_text_takes_the_memory_of_its_arrays():
    assert make_text(7).num_bytes == 7 * WIDTH + STATE
    assert make_text(7).num_tokens == 7


def test_texts_take_no_more_memory_than_allowed():
    cache = PromptCache(10 * WIDTH + 2 * STATE)
    sizes = {b"a": 4, b"b": 5, b"c": 3, b"d": 2}
    for key, size in sizes.items():
        cache.get_or_compute([key], lambda _, size=size: [make_text(size)])
        stored = [name for name in sizes if name in cache]
        assert cache.total_size == sum(sizes[name] * WIDTH + STATE for name in stored)
        assert cache.total_size <= cache.capacity
    assert stored == [b"c", b"d"]


def test_one_model_and_size_share_one_cache(model):
    cache = shared(model, 2**20)
    assert shared(model, 2**20) is cache
    assert shared(model, 2**21) is not cache
    assert shared(copy.copy(model), 2**20) is not cache
