"""Who learns from its own texts in `finetune`: our policy, with our buffer and without, and TRL.

Owns how each is set up and timed. Knows nothing of the others' results.
"""

import tempfile
import time
from typing import Any

from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback

from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.lora import LAYERS, LoRA
from agents.language_model.memory_estimate import keep_freed_memory
from agents.language_model.policy import LanguageModelPolicy
from benchmarks.competitors.finetune_job import (
    FEW_WORDS,
    MINIBATCH,
    NEW,
    Job,
    Outcome,
    environment,
    share_of_vowels,
)
from lm_envs.tokenizer import Tokenizer


def ours(job: Job) -> Outcome:
    """Our policy and buffer under Stable-Baselines3's PPO: one epoch of whole episodes."""
    return _ppo(job, EpisodeRolloutBuffer, NEW, job.num_texts * NEW)


def ours_adapted(job: Job) -> Outcome:
    """The same, but adapters of every layer are learned and the weights stay."""
    return _ppo(job, EpisodeRolloutBuffer, NEW, job.num_texts * NEW, LoRA(layers=LAYERS))


def per_transition(job: Job) -> Outcome:
    """The same with Stable-Baselines3's buffer: one padded forward a word."""
    return _ppo(job, DictRolloutBuffer, FEW_WORDS, MINIBATCH)


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
    ours = Tokenizer.from_folder(job.folder)
    texts = [ours.decode(prompt) for prompt in job.prompts] * (job.repeats + 1)
    trainer = GRPOTrainer(
        model=GPT2LMHeadModel.from_pretrained(job.folder, dtype="float32"),
        reward_funcs=share_of_vowels,
        args=config,
        train_dataset=Dataset.from_list([{"prompt": text} for text in texts]),
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    trainer.train()
    return Outcome([], durations[1:], job.num_texts * NEW, job.num_texts * NEW)


def _ppo(
    job: Job,
    buffer: type[DictRolloutBuffer],
    num_steps: int,
    batch_size: int,
    lora: LoRA | None = None,
) -> Outcome:
    options = {"dtype": job.dtype, "rewards": {"fluency": 1.0}, "prompt_cache": 0}
    env = environment(job.folder, job.num_texts, **options)
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
    words = num_steps * job.num_texts
    return Outcome(clock.writing[1:], clock.learning[1:], words, words)


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
