"""Tokens per second of the environment, the bare engine and rivals, in one run.

A token of ours is a whole environment step of a row: act, write, judge by the fluency reward,
observe hidden state and top-16 words. Prefill of the prompts is part of everybody's time: prompts
come again here, and no contestant remembers them.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from stable_baselines3.common.vec_env import DummyVecEnv

import lm_envs
from agents.language_model.memory import available_memory
from benchmarks import rivals, timing
from benchmarks.models import GPT2_124M, folder_of
from lm_envs.model import weights
from lm_envs.model.engine import Engine
from lm_envs.model.gpt2 import GPT2
from lm_envs.model.weights import DTYPES, INT8

gym.register_envs(lm_envs)

PROMPT, NEW = 32, 64
CANDIDATES = 16
NAIVE_ROWS = 8
"""Most rows of re-encoding and of single environments, which take minutes beyond."""

Row = dict[str, Any]


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> dict[str, Any]:
    """All comparisons of one model; a JSON document.

    `speedup` is how many times faster the environment is than the row's contestant.

    Raises:
        ValueError: If the KV slots of the most rows do not fit in memory.
    """
    folder = folder_of(model)
    check_memory(folder, max(rows), dtypes)
    results = [
        row
        for dtype in dtypes
        for num_rows in rows
        for row in _compare(model, num_rows, dtype, repeats)
    ]
    return {"subject": "throughput", "model": model, "prompt": PROMPT, "new": NEW, "rows": results}


def check_memory(folder: Any, num_rows: int, dtypes: Sequence[str]) -> None:  # noqa: ANN401
    """Refuses a batch whose slots would not fit, before anything is allocated.

    Raises:
        ValueError: Naming the largest batch that does fit.
    """
    networks = [weights.load(folder, "auto", dtype) for dtype in dtypes]
    slots = max(_engine(network, 1).num_bytes for network in networks)
    per_row = slots + 8 * networks[0].config.vocab_size * 4  # and logits, in a few copies
    largest = int(0.8 * available_memory() // per_row)
    if num_rows > largest:
        raise ValueError(
            f"Got {num_rows} rows of {per_row / 2**20:.0f} MiB each; at most {largest} fit here."
        )


def environment(model: str, num_rows: int, dtype: str) -> Callable[[], None]:
    """One episode of every row, through the public vector environment."""
    env = gym.make_vec(
        "lm_envs/NextWord-v0",
        num_envs=num_rows,
        autoreset_mode=AutoresetMode.DISABLED,
        **_options(model, dtype),
    )
    actions = np.zeros(num_rows, np.int64)
    mask = np.ones(num_rows, bool)
    env.reset(seed=0)

    def run() -> None:
        env.reset(options={"reset_mask": mask})
        terminated = ~mask
        for _ in range(NEW):
            if terminated.any():  # the end of text was chosen: begin again, as training would
                env.reset(options={"reset_mask": terminated})
            _, _, terminated, _, _ = env.step(actions)

    return run


def single_environments(model: str, num_rows: int, dtype: str) -> Callable[[], None]:
    """The same by as many single environments, one after another, as Stable-Baselines3 does."""
    options = _options(model, dtype)
    env = DummyVecEnv([lambda: gym.make("lm_envs/NextWord-v0", **options)] * num_rows)
    env.seed(0)
    actions = np.zeros(num_rows, np.int64)

    def run() -> None:
        env.reset()
        for _ in range(NEW):
            env.step(actions)

    return run


def engine(model: str, prompts: np.ndarray, dtype: str) -> Callable[[], None]:
    """The same tokens through the bare engine."""
    network = weights.load(folder_of(model), "auto", dtype)
    bare = _engine(network, len(prompts))

    def run() -> None:
        outputs = bare.prefill(np.arange(len(prompts)), list(prompts))
        for _ in range(NEW):
            outputs = bare.append(outputs.candidates[:, 0])

    return run


def step_cost(model: str, num_rows: int, dtype: str) -> dict[str, float]:
    """Bytes read and FLOPs of one decoding step at the mean context, from the shape."""
    network = weights.load(folder_of(model), "cpu", dtype)
    config = network.config
    block = config.n_embd * (4 * config.n_embd + 2 * config.n_inner)
    matrices = config.n_layer * block + config.vocab_size * config.n_embd
    context = PROMPT + NEW / 2
    cached = 2 * config.n_layer * config.n_embd * context * num_rows
    width = network.dtype.itemsize
    read = matrices * (1 if dtype == INT8 else width) + cached * width
    return {"bytes": read, "flops": 2 * (matrices * num_rows + cached)}


def _options(model: str, dtype: str) -> dict[str, Any]:
    """Arguments of the environment that is measured."""
    return {
        "model": str(folder_of(model)),
        "dtype": dtype,
        "prompt_tokens": PROMPT,
        "max_new_tokens": NEW,
        "rewards": {"fluency": 1.0},
        "prompt_cache": 0,
    }


def _engine(network: GPT2, num_rows: int) -> Engine:
    return Engine(
        network,
        num_rows,
        capacity=PROMPT + NEW,
        num_candidates=CANDIDATES,
        end_token=network.config.vocab_size - 1,
    )


def _compare(model: str, num_rows: int, dtype: str, repeats: int) -> list[Row]:
    folder, kind = folder_of(model), DTYPES.get(dtype, torch.bfloat16)  # rivals' type
    rng = np.random.default_rng(0)
    vocabulary = weights.load(folder, "cpu", dtype).config.vocab_size
    prompts = rng.integers(1, vocabulary - 1, (num_rows, PROMPT))
    runs: dict[str, Callable | None] = {
        "environment": environment(model, num_rows, dtype),
        "engine": engine(model, prompts, dtype),
        "transformers generate": rivals.generate(folder, prompts, NEW, kind),
    }
    if model == GPT2_124M:
        kinds = ("float32", "int8") if dtype == "float32" else ("int8",)
        for name in kinds:
            made = rivals.ctranslate2_generate(folder, prompts, NEW, name)
            runs[f"CTranslate2 {name}"] = made
    if num_rows <= NAIVE_ROWS:
        runs["single environments"] = single_environments(model, num_rows, dtype)
        runs["re-encoding, no cache"] = rivals.re_encode(folder, prompts, NEW, kind)
    timings = timing.take_turns({n: run for n, run in runs.items() if run}, repeats)
    limit = _limit(model, num_rows, dtype)
    return [_row(name, num_rows, dtype, timings, limit) for name in runs]


def _limit(model: str, num_rows: int, dtype: str) -> Row:
    """Tokens per second that memory or arithmetic would allow."""
    cost, rates = step_cost(model, num_rows, dtype), timing.roofline(dtype, num_rows)
    times = {
        "memory": cost["bytes"] / rates["bytes_per_s"],
        "arithmetic": cost["flops"] / rates["flops_per_s"],
    }
    bound = max(times, key=lambda name: times[name])
    return {"bound": bound, "tokens_per_s": num_rows / times[bound], **cost, **rates}


def _row(
    name: str, num_rows: int, dtype: str, timings: dict[str, timing.Timing], limit: Row
) -> Row:
    row: Row = {"what": name, "n": num_rows, "dtype": dtype}
    if name not in timings:
        return row | {"note": rivals.MISSING_CTRANSLATE2}
    taken, ours = timings[name], timings["environment"]
    rate = num_rows * NEW / taken.median
    row |= {"tokens_per_s": rate, "ms_per_step": 1e3 * taken.median / NEW, **taken.as_dict()}
    row |= {"speedup": timing.ratio(ours, taken)}
    if name in ("environment", "engine"):
        row |= {"limit": limit, "share_of_limit": rate / limit["tokens_per_s"]}
    return row
