import numpy as np
import torch

from lm_envs.model.prompt_cache import CachedPrompt, PromptCache

WIDTH, STATE = 2 * 3 * 2 * 16 * 4, 5 * 4
"""Bytes of a token's keys and values, and of what was said."""


def read(size):
    return CachedPrompt((torch.ones(2, 3, 2, size, 16),), np.ones(5, np.float32))


def test_prompts_take_no_more_memory_than_they_may():
    cache = PromptCache(10 * WIDTH + 2 * STATE)
    sizes = {b"a": 4, b"b": 5, b"c": 3, b"d": 2}
    for key, size in sizes.items():
        cache.keep(key, read(size))
        kept = [name for name in sizes if name in cache]
        assert cache.num_bytes == sum(sizes[name] * WIDTH + STATE for name in kept)
        assert cache.num_bytes <= cache.max_bytes


def test_the_prompt_used_longest_ago_makes_room():
    cache = PromptCache(2 * (3 * WIDTH + STATE))
    cache.keep(b"a", read(3))
    cache.keep(b"b", read(3))
    cache.get(b"a")
    cache.keep(b"c", read(3))
    assert [key in cache for key in (b"a", b"b", b"c")] == [True, False, True]


def test_a_prompt_too_large_alone_drives_nobody_out():
    cache = PromptCache(4 * WIDTH)
    cache.keep(b"a", read(3))
    cache.keep(b"b", read(5))
    assert b"a" in cache
    assert b"b" not in cache


def test_what_is_kept_does_not_change_with_the_slot():
    slot, state = torch.ones(2, 3, 2, 8, 16), np.ones(5, np.float32)
    cache = PromptCache(2**20)
    cache.keep(b"a", CachedPrompt((slot[..., :3, :],), state))
    slot[:], state[:] = 2.0, 2.0
    kept = cache.get(b"a")
    assert kept.slot[0].unique().tolist() == [1.0]
    assert kept.state.tolist() == [1.0] * 5
    assert kept.slot[0].untyped_storage().nbytes() == 3 * WIDTH
