"""Words per second of a language model that writes, is judged, and learns from it; and the memory.

One after another, each in a process of its own: our policy; the same learning adapters alone; the
same without episodes, where each word's text is read again for its gradient; and TRL's GRPO
trainer. All write N texts of `NEW` words after prompts of `PROMPT`, and learn from them once, with
no dropout and no mask. Ours also reads every word with the frozen model, which judges it and
remembers no prompt.
"""

import importlib.util
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback

from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.lora import LAYERS, LoRA
from agents.language_model.memory import Room, keep_freed_memory
from agents.language_model.network import TrainableGPT2
from agents.language_model.policy import LanguageModelPolicy
from benchmarks import timing
from benchmarks.models import folder_of
from lm_envs.sb3 import make_language_vec_env
from lm_envs.tokenizer import Tokenizer

PROMPT, NEW = 32, 32
FEW_WORDS = 2
"""Words a text that the policy without episodes learns from; a whole rollout takes minutes."""

PACKAGES = {"lm_envs, LoRA": "peft", "TRL GRPO": "trl"}
"""What contestants need beside us."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What a contestant is to do: N texts, in a number type, so many times."""

    folder: Path
    num_texts: int
    dtype: str
    repeats: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds of each repeat's writing and learning, words that were learned from, peak bytes.

    Attributes:
        writing: Of each repeat; empty where the two cannot be told apart.
        learning: Of each repeat, or of writing and learning together.
        words: A repeat learns from.
        peak_bytes: Of the process, Python and libraries included.
    """

    writing: list[float]
    learning: list[float]
    words: int
    peak_bytes: int = field(default=0)


def run(model: str, rows: Sequence[int], dtypes: Sequence[str], repeats: int) -> Row:
    """All contestants on one model; a JSON document.

    `speedup` is how many times as many words per second ours learns from, writing included where
    the contestant's includes it.

    Raises:
        ValueError: If an update from the most texts does not fit in memory.
    """
    folder = folder_of(model)
    check_memory(folder, max(rows))
    results = [
        row
        for dtype in dtypes
        for num_texts in rows
        for row in _compare(Job(folder, num_texts, dtype, repeats))
    ]
    return {"subject": "finetune", "model": model, "prompt": PROMPT, "new": NEW, "rows": results}


def check_memory(folder: Path, num_texts: int) -> None:
    """Refuses more texts than an update in float32 has room for, before any are written.

    Raises:
        ValueError: Naming the largest number that does fit.
    """
    network = TrainableGPT2(folder, len(Tokenizer.from_folder(folder)))
    largest = Room.of(network, PROMPT + NEW).most_texts
    if num_texts > largest:
        raise ValueError(f"Got {num_texts} texts to learn from; at most {largest} fit here.")


def ours(job: Job) -> Outcome:
    """Our policy and buffer under Stable-Baselines3's PPO: one epoch of whole episodes."""
    return _ppo(job, EpisodeRolloutBuffer, NEW, job.num_texts * NEW)


def ours_adapted(job: Job) -> Outcome:
    """The same, but adapters of every layer are learned and the weights stay."""
    return _ppo(job, EpisodeRolloutBuffer, NEW, job.num_texts * NEW, LoRA(layers=LAYERS))


def per_transition(job: Job) -> Outcome:
    """The same with Stable-Baselines3's buffer: one padded forward a word, 16 in a minibatch."""
    return _ppo(job, DictRolloutBuffer, FEW_WORDS, 16)


def trl_grpo(job: Job) -> Outcome:
    """TRL's GRPO trainer on the same prompts, groups of eight or fewer, no reference model."""
    from datasets import Dataset  # type: ignore[import-not-found]  # optional
    from transformers import AutoTokenizer, GPT2LMHeadModel, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer  # type: ignore[import-not-found]  # optional

    durations: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            self.start = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
            durations.append(time.perf_counter() - self.start)

    group = min(8, job.num_texts)
    config = GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=job.num_texts,
        num_generations=group,
        max_completion_length=NEW,
        generation_kwargs={"min_new_tokens": NEW},
        max_steps=job.repeats + 1,
        bf16=job.dtype == "bfloat16",
        gradient_checkpointing=False,
        disable_dropout=True,
        use_cpu=True,
        report_to=[],
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(job.folder)
    tokenizer.pad_token = tokenizer.eos_token
    texts = _prompts(job) * (job.repeats + 1)
    trainer = GRPOTrainer(
        model=GPT2LMHeadModel.from_pretrained(job.folder, dtype="float32"),
        reward_funcs=_share_of_vowels,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": text} for text in texts]),
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    trainer.train()
    return Outcome([], durations[1:], job.num_texts * NEW)


CONTESTANTS: Mapping[str, Callable[[Job], Outcome]] = {
    "lm_envs": ours,
    "lm_envs, LoRA": ours_adapted,
    "a forward per word": per_transition,
    "TRL GRPO": trl_grpo,
}


def _ppo(
    job: Job,
    buffer: type[DictRolloutBuffer],
    num_steps: int,
    batch_size: int,
    lora: LoRA | None = None,
) -> Outcome:
    env = make_language_vec_env(
        "lm_envs/NextWord-v0",
        job.num_texts,
        0,
        model=str(job.folder),
        dtype=job.dtype,
        actions="vocabulary",
        observation="tokens",
        prompt_tokens=PROMPT,
        max_new_tokens=NEW,
        rewards={"fluency": 1.0},
        prompt_cache=0,
    )
    kwargs = {"model": str(job.folder), "dtype": job.dtype, "bfloat16": job.dtype == "bfloat16"}
    agent = PPO(
        LanguageModelPolicy,
        env,
        n_steps=num_steps,
        batch_size=batch_size,
        n_epochs=1,
        rollout_buffer_class=buffer,
        policy_kwargs=kwargs | {"lora": lora},
        seed=0,
    )
    keep_freed_memory()  # as `agents.finetune` does
    clock = _Clock()
    agent.learn((job.repeats + 1) * num_steps * job.num_texts, callback=clock)
    return Outcome(clock.writing[1:], clock.learning[1:], num_steps * job.num_texts)


class _Clock(BaseCallback):
    """Seconds of each rollout and of each update."""

    def __init__(self) -> None:
        super().__init__()
        self.writing: list[float] = []
        self.learning: list[float] = []
        self._is_between = False

    def _on_rollout_start(self) -> None:
        self._end_learning()
        self._start = time.perf_counter()

    def _on_rollout_end(self) -> None:
        now = time.perf_counter()
        self.writing.append(now - self._start)
        self._start, self._is_between = now, True

    def _on_training_end(self) -> None:
        self._end_learning()

    def _on_step(self) -> bool:
        return True

    def _end_learning(self) -> None:
        if self._is_between:
            self.learning.append(time.perf_counter() - self._start)
        self._is_between = False


def _prompts(job: Job) -> list[str]:
    """Texts of the prompts that our environment begins with, one a text to write."""
    env = make_language_vec_env(
        "lm_envs/NextWord-v0", job.num_texts, 0, model=str(job.folder), prompt_tokens=PROMPT
    )
    env.reset()
    return [info["prompt"] for info in env.reset_infos]


def _share_of_vowels(completions: Sequence[str], **_: Any) -> list[float]:  # noqa: ANN401
    """A reward that costs nothing and varies."""
    return [sum(letter in "aeiou" for letter in text) / max(1, len(text)) for text in completions]


def _compare(job: Job) -> list[Row]:
    outcomes = {
        name: _in_a_process(name, job)
        for name in CONTESTANTS
        if importlib.util.find_spec(PACKAGES.get(name, "torch"))
    }
    return [_row(name, job, outcomes) for name in CONTESTANTS]


def _row(name: str, job: Job, outcomes: Mapping[str, Outcome]) -> Row:
    row: Row = {"what": name, "n": job.num_texts, "dtype": job.dtype}
    if name not in outcomes:
        return row | {"note": f"not installed: pip install {PACKAGES[name]}"}
    mine, own = outcomes["lm_envs"], outcomes[name]
    spent = timing.summarise(_totals(own))
    rate = own.words / spent.median
    row |= {"tokens_per_s": rate, **spent.as_dict(), "peak_gib": own.peak_bytes / 2**30}
    if own.writing:
        parts = {"writing": own.writing, "learning": own.learning}
        row |= {f"{part}_s": timing.summarise(taken).median for part, taken in parts.items()}
    if own.words == mine.words:
        return row | {"speedup": timing.ratio(timing.summarise(_totals(mine)), spent)}
    per_word = [
        timing.summarise([seconds / outcome.words for seconds in outcome.learning])
        for outcome in (mine, own)
    ]
    note = f"{own.words} words of {mine.words}; speedup of learning alone"
    return row | {"speedup": timing.ratio(*per_word), "note": note}


def _totals(outcome: Outcome) -> list[float]:
    if not outcome.writing:
        return outcome.learning
    return [sum(pair) for pair in zip(outcome.writing, outcome.learning, strict=True)]


def _in_a_process(name: str, job: Job) -> Outcome:
    """The outcome of a contestant in a new process, whose memory is its own."""
    context = multiprocessing.get_context("spawn")
    ours_end, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, name, job))
    process.start()
    theirs.close()
    try:
        outcome = ours_end.recv()
    except EOFError:
        raise RuntimeError(f"Got no outcome of {name!r}; its error is above.") from None
    process.join()
    return outcome


def _serve(connection: Connection, name: str, job: Job) -> None:
    outcome = CONTESTANTS[name](job)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    connection.send(Outcome(outcome.writing, outcome.learning, outcome.words, peak))
