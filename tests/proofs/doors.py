"""Random inputs at every public door: each is accepted, or refused by an exception of ours.

    python -m tests.proofs.doors --inputs 100000 --seed 0 --progress FILE

The doors are constructor arguments, reset options, actions, states, data files and configurations.
Allowed are `ValueError`, `TypeError` and `gymnasium.error.Error`; any other exception, or an input
that takes more than 20 seconds of the processor, is a fault. A refused reset, step or state has to
leave the environment as it was. Input i of a seed is the same each time, so that a program that was
stopped continues from the number in the progress file. Prints one JSON line of counts; ends with
status 1 after a fault.
"""

import argparse
import json
import logging
import pickle
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from pathlib import Path

import gymnasium as gym
import numpy as np
import yaml

from agents.config.loading import load_config, read_assignments
from agents.config.train import TrainConfig
from lm_envs.tasks.datasets import read_rows
from tests.envs.helpers import IDS
from tests.proofs.values import any_value, changed, near

ALLOWED = (ValueError, TypeError, gym.error.Error)
LONGEST_SECONDS = 20
CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*_[adp]*.yaml"))


OPEN = (
    *(("lm_envs/NextWord-v0", mode) for mode in ("same_step", "disabled", "next_step", None)),
    ("lm_envs/KnowledgeGraphQA-v0", "same_step"),
    ("lm_envs/Dialogue-v0", "next_step"),
    ("lm_envs/Classification-v0", "disabled"),
    ("lm_envs/Translation-v0", None),
)
"""Ids and modes of the environments that take resets, actions and states; None for a single one."""


class UnchangedError(Exception):
    """A refused call has changed an environment."""


class SlowError(Exception):
    """An input took more than `LONGEST_SECONDS` of the processor."""


ARGUMENTS = {
    "model": ["embedded"],
    "dtype": ["auto", "float32", "bfloat16", "int8"],
    "deterministic": [False, True],
    "cache_dtype": ["auto", "int8"],
    "actions": ["top_k", "vocabulary", "embedding", "choices", {"kind": "top_k", "k": 4}],
    "observation": ["hidden", "tokens", "candidates", {"kind": "embeddings", "last": 2}],
    "dense": [True, False],
    "gamma": [1.0, 0.9],
    "max_steps": [None, 3],
    "group_size": [1],
    "prompt_cache": [0, 16],
    "chat_template": [False],
    "system_prompt": [None],
    "autoreset_mode": ["next_step", "same_step", "disabled"],
    "render_mode": [None, "ansi", "rgb_array"],
    "dataset": ["embedded"],
    "split": ["train", "validation", "test"],
    "max_new_tokens": [1, 4],
    "prompt_tokens": [4, 16],
    "rewards": [{"fluency": 1.0}, {"length": 0.5, "exact_match": 1.0}],
    "column": ["text"],
    "columns": [{"text": "text"}],
    "filters": [{}],
    "kind": ["sentiment", "language"],
    "mode": ["whole", "simultaneous", "sequential"],
    "passages": [2],
    "unknown": [1],
}
"""Arguments of environments, with right values for some id."""


SHARES = {
    **{"constructor": 0.015, "reset": 0.25, "action": 0.25},
    **{"state": 0.165, "data": 0.18, "config": 0.14},
}
"""How often each door is tried."""


class Doors:
    """The doors, one method each, and the environments that stand open behind some of them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._envs, self._begun = folder, {}, set()

    def constructor(self, rng):
        env_id, is_single = IDS[rng.integers(len(IDS) - 3)], rng.integers(2)
        if rng.random() < 0.02:  # those of tuning, which take longer
            env_id = IDS[-1 - rng.integers(3)]
        names = rng.choice(list(ARGUMENTS), rng.integers(1, 4), replace=False)
        kwargs = {name: self._argument(rng, name) for name in names}
        if not isinstance(kwargs.get("render_mode"), str):  # Gymnasium's own door fails for others
            kwargs.pop("render_mode", None)
        if is_single:
            gym.make(env_id, **kwargs).close()
            return
        num_envs = 2 if rng.integers(4) else any_value(rng)
        gym.make_vec(env_id, num_envs=num_envs, **kwargs).close()

    def _argument(self, rng, name):
        right = ARGUMENTS[name][rng.integers(len(ARGUMENTS[name]))]
        choice = rng.integers(4)
        return (right, any_value(rng), near(rng, right), changed(rng, [right])[:1])[choice]

    def _env(self, rng):
        """An environment that has begun, single or of 3 rows, in any mode."""
        key = OPEN[rng.integers(len(OPEN))]
        if key not in self._envs:
            if key[1] is None:
                made = gym.make(key[0], disable_env_checker=True)
            else:
                made = gym.make_vec(key[0], num_envs=3, autoreset_mode=key[1])
            self._envs[key] = made.unwrapped
        env = self._envs[key]
        # By a generator of its own: a space without a seed samples other actions in each run.
        env.action_space.seed(int(rng.spawn(1)[0].integers(2**31)))
        vector = getattr(env, "batch", env)
        if key not in self._begun or vector.is_over.any():
            env.reset(seed=int(rng.integers(2**31)))
            self._begun.add(key)
        return env, vector

    def _unchanged(self, rng, env, vector, call):
        """Makes a call; one that is refused leaves the state as it was, which is tried at times."""
        before = pickle.dumps(vector.get_state()) if rng.random() < 0.2 else None
        try:
            return call()
        except ALLOWED:
            if before is None:
                raise
            try:
                after = pickle.dumps(vector.get_state())
            except gym.error.ResetNeeded as error:
                raise UnchangedError("a refused call needs a reset") from error
            if before != after:
                raise UnchangedError("a refused call changed the state") from None
            raise

    def reset(self, rng):
        env, vector = self._env(rng)
        seed = None if rng.integers(2) else any_value(rng)
        options = {"reset_mask": np.array([True, False, True]), "index": 1, "prompt": "The sea"}
        del options[("index", "prompt")[rng.integers(2)]]
        options = changed(rng, options) if rng.integers(4) else any_value(rng)
        self._unchanged(rng, env, vector, lambda: env.reset(seed=seed, options=options))

    def action(self, rng):
        env, vector = self._env(rng)
        right = env.action_space.sample()
        action = (any_value(rng), near(rng, right), right)[rng.integers(3)]
        self._unchanged(rng, env, vector, lambda: env.step(action))

    def state(self, rng):
        env, vector = self._env(rng)
        state = env.get_state()
        for _ in range(rng.integers(1, 3)):
            state = changed(rng, state)

        def restore():
            env.set_state(state)

        self._unchanged(rng, env, vector, restore)
        # What was accepted has to work; what comes then may be another text.
        if not vector.is_over.any():
            env.step(env.action_space.sample())
        env.get_state()
        env.reset(seed=0)

    def data(self, rng):
        kind = ("jsonl", "json", "csv", "tsv", "txt", "jsonl.gz", "parquet")[rng.integers(7)]
        path = self._folder / f"data.{kind}"
        path.write_bytes(_content(rng, kind))
        columns = {"text": ("text", "0", "a.b")[rng.integers(3)]}
        split = (None, "train", "test", "train[:50%]")[rng.integers(4)]
        read_rows(str(path), split, columns, "prose")

    def config(self, rng):
        text = CONFIGS[rng.integers(len(CONFIGS))].read_text()
        choice = rng.integers(3)
        if choice == 0:
            path = self._folder / "config.yaml"
            path.write_bytes(_damaged(rng, text.encode()))
            load_config(TrainConfig, path)
        elif choice == 1:
            values = changed(rng, yaml.safe_load(text))
            TrainConfig.model_validate(values)
        else:
            keys = (
                "seed",
                "env.id",
                "env.kwargs.x",
                "algorithm.name",
                "algorithm.kwargs.gamma",
                "a.",
            )
            value = json.dumps(any_value(rng), default=str)
            read_assignments(TrainConfig, [f"{keys[rng.integers(len(keys))]}={value[:200]}"])


def _content(rng, kind):
    """Bytes of a data file: rows of random values, then damaged in half of the cases."""
    rows = [{"text": f"Text {i}."} for i in range(rng.integers(4))]
    rows = changed(rng, rows) if rng.integers(2) else rows
    rows = rows if isinstance(rows, list) else [rows]
    if kind in ("csv", "tsv"):
        sign = "," if kind == "csv" else "\t"
        lines = [sign.join(("text", "split")), *(sign.join(map(str, [r, "train"])) for r in rows)]
        content = "\n".join(lines)
    elif kind == "json":
        content = json.dumps(rows, default=str, skipkeys=True)
    else:
        content = "\n".join(json.dumps(row, default=str, skipkeys=True) for row in rows)
    encoded = content.encode("utf-8" if rng.integers(4) else "utf-16")
    return _damaged(rng, encoded) if rng.integers(2) else encoded


def _damaged(rng, content):
    """Bytes with a part flipped, removed, repeated or replaced."""
    start = int(rng.integers(len(content) + 1))
    end = min(len(content), start + int(rng.integers(1, 30)))
    noise = rng.bytes(int(rng.integers(0, 6)))
    signs = (b"[" * 3000, b'"', b"\n", b"\t", b"{", b": ", b"!!python/object:x ", b"&a [*a]", noise)
    part = (content[start:end] * 2, b"", signs[rng.integers(len(signs))])[rng.integers(3)]
    return content[:start] + part + content[end:]


def try_input(doors: Doors, seed: int, number: int) -> tuple[str, str]:
    """Tries one input; returns its door, and "accepted", "refused" or a fault."""
    rng = np.random.default_rng([seed, number])
    door = rng.choice(list(SHARES), p=list(SHARES.values()))
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS)
    try:
        getattr(doors, str(door))(rng)
    except ALLOWED:
        return str(door), "refused"
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        print(f"input {number} of {door}: {error!r} at {where.filename}:{where.lineno}", flush=True)
        return str(door), "fault"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return str(door), "accepted"


def run(seed: int, inputs: int, progress: Path | None = None) -> Counter[str]:
    """Tries inputs from the one in the progress file on; returns counts by door and outcome."""
    counts: Counter[str] = Counter()
    first = 0
    if progress and progress.is_file():
        stored = json.loads(progress.read_text())
        first, counts = stored["next"], Counter(stored["counts"])
    signal.signal(signal.SIGPROF, _raise_slow)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        doors = Doors(Path(folder))
        for number in range(first, inputs):
            counts[" ".join(try_input(doors, seed, number))] += 1
            if progress and (number % 200 == 199 or number == inputs - 1):
                progress.write_text(json.dumps({"next": number + 1, "counts": counts}))
    return counts


def _raise_slow(*_):
    raise SlowError(f"more than {LONGEST_SECONDS} seconds")


def main() -> int:
    """Runs the command; returns its exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--progress", type=Path)
    given = parser.parse_args()
    logging.disable()
    counts = run(given.seed, given.inputs, given.progress)
    print(
        json.dumps({"inputs": counts.total(), "seed": given.seed, **dict(sorted(counts.items()))})
    )
    return int(any(name.endswith("fault") for name in counts))


if __name__ == "__main__":
    sys.exit(main())
