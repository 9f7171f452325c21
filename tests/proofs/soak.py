"""Long play at N rows with random resets, beside cycles of make and close, with memory measured.

    OMP_NUM_THREADS=1 python -m tests.proofs.soak --minutes 60 --rows 64 --cycles 200

Memory is sampled after each cycle: the resident set of the process after the C library has
returned freed memory to the system. By default it keeps that for later use: the set then grew by
17 % in twenty minutes, with a constant amount in use. Growth compares the median of the last tenth
of the samples with the median of the first tenth after the warm-up, which is the first sixth of the
time. Caches of prompts have 16 MiB, so that they are full by then; by default they may grow to
1 GiB. Prints one JSON line a minute and at the end; ends with status 1 if the growth is 2 % or
more.
"""

import argparse
import ctypes
import gc
import itertools
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import numpy as np

from lm_envs.lru import LRUCache
from tests.envs.helpers import IDS, MODES

TUNING = ("WeightTuning", "TrainingControl", "StructureSearch", "CacheEviction")
TUNING_ROWS = 2
"""Rows of ids in which each row holds an adjusted model of its own: 64 would need 5 GiB."""
PROMPT_CACHE = 16
"""MiB; see the module's docstring."""
C_LIBRARY = ctypes.CDLL(None)
"""Made once: each such object makes classes, which would count as growth."""
LIMIT = 0.02
WARM_UP = 1 / 6


def resident() -> int:
    """Resident memory of this process, bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def cached() -> int:
    """Bytes in the bounded caches of this process, by their own count.

    They may fill for hours without a leak: the scores of texts have 20 MiB together.
    """
    return sum(each.total_size for each in gc.get_objects() if issubclass(type(each), LRUCache))


def trim() -> None:
    """Returns freed memory to the system, where the C library can do so (glibc)."""
    getattr(C_LIBRARY, "malloc_trim", int)(0)


def objects() -> Counter[str]:
    """Number of Python objects that the garbage collector tracks, by type."""
    gc.collect()
    return Counter(map(_type_name, map(type, gc.get_objects())))


def _type_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def play(env, rng: np.random.Generator, steps: int) -> int:
    """Random actions and resets, with and without seeds; returns how many rows were reset."""
    num_resets, is_started = 0, False
    env.action_space.seed(int(rng.integers(2**31)))
    for _ in range(steps):
        mask = env.is_over | (rng.random(env.num_envs) < 0.05)
        if not is_started:
            mask[:] = True
        must = env.is_over.any() and env.metadata["autoreset_mode"].name != "NEXT_STEP"
        if mask.any() and (must or not is_started or rng.random() < 0.2):
            seed = int(rng.integers(2**31)) if rng.random() < 0.5 else None
            env.reset(seed=seed, options={"reset_mask": mask})
            num_resets, is_started = num_resets + int(mask.sum()), True
        env.step(env.action_space.sample())
    return num_resets


def cycle(number: int, rows: int, rng: np.random.Generator) -> int:
    """Makes an environment, plays a few steps and closes it; returns the rows that were reset."""
    env_id, mode = IDS[number % len(IDS)], MODES[number // len(IDS) % len(MODES)]
    is_tuning = any(name in env_id for name in TUNING)
    rows = min(rows, TUNING_ROWS) if is_tuning else rows
    options = {} if is_tuning else {"prompt_cache": PROMPT_CACHE}
    env = gym.make_vec(env_id, num_envs=rows, autoreset_mode=mode, **options)
    num_resets = play(env.unwrapped, rng, 4)
    env.close()
    return num_resets


def measure(
    seconds: float, cycles: int, rows: int, seed: int = 0, share: float = 1.0
) -> Iterator[dict]:
    """Yields the figures after each make/close cycle; the last has all of them.

    Args:
        seconds: Of the whole play.
        cycles: Number of make/close cycles, evenly spread.
        rows: N.
        seed: Of all random choices.
        share: Of the time in which to compute; the process sleeps for the rest.
    """
    rng, start = np.random.default_rng(seed), time.monotonic()
    options = {"autoreset_mode": "disabled", "prompt_cache": PROMPT_CACHE}
    env = gym.make_vec(IDS[0], num_envs=rows, **options).unwrapped
    figures = {"steps": 0, "resets": 0, "cycles": 0}
    samples: list[tuple[float, int]] = []
    for number in itertools.count():
        is_due = False
        while not is_due:  # once at least: on a slow machine each cycle is late
            begin = time.monotonic()
            figures["resets"] += play(env, rng, 8)
            figures["steps"] += 8 * rows
            time.sleep((time.monotonic() - begin) * (1 / share - 1))
            is_due = time.monotonic() - start >= seconds * number / cycles
        if number == cycles:
            break
        figures["resets"] += cycle(number, rows, rng)
        figures["cycles"] = number + 1
        figures["MiB_untrimmed"] = round(resident() / 2**20, 1)
        figures["MiB_cached"] = round(cached() / 2**20, 1)
        gc.collect()
        trim()
        samples.append((time.monotonic() - start, resident()))
        yield figures | summarize(samples, seconds)


def summarize(samples: list[tuple[float, int]], seconds: float) -> dict:
    """Memory in MiB after the warm-up and at the end, and its growth as a share."""
    warm = [memory for at, memory in samples if at >= WARM_UP * seconds]
    tenth = max(1, len(warm) // 10)
    first, last = (float(np.median(part)) for part in (warm[:tenth] or [0], warm[-tenth:] or [0]))
    growth = last / first - 1 if first else 0.0
    minutes = samples[-1][0] / 60
    now = {"minutes": round(minutes, 2), "MiB": round(samples[-1][1] / 2**20, 1)}
    ends = {"MiB_warm": round(first / 2**20, 1), "MiB_last": round(last / 2**20, 1)}
    return now | ends | {"growth": round(growth, 4)}


def main() -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--share", type=float, default=1.0, help="of the time to compute in")
    given = parser.parse_args()
    figures, printed = {}, 0.0
    for figures in measure(60 * given.minutes, given.cycles, given.rows, given.seed, given.share):
        if figures["minutes"] >= printed + 1:
            printed = figures["minutes"]
            print(json.dumps(figures), flush=True)
    print(json.dumps(figures), flush=True)
    return int(figures["growth"] >= LIMIT)


if __name__ == "__main__":
    sys.exit(main())
