"""TRL's GRPO trainer in `finetune`. Needs the packages `trl` and `datasets`.

Owns how the trainer is set up and timed. Knows nothing of other competitors.
"""

import tempfile
import time
from typing import Any

from transformers import AutoTokenizer, GPT2LMHeadModel, TrainerCallback

from benchmarks.competitors.finetune_job import NEW, FinetuneJob, FinetuneResult, share_of_vowels
from benchmarks.harness.device import default_device, synchronize
from lm_envs.tokenizer import Tokenizer

LARGEST_GROUP = 8
"""Completions per prompt, TRL's default; fewer if there are fewer texts."""


class StepClock(TrainerCallback):
    """Measures each step of a transformers `Trainer`.

    Attributes:
        step_s: Seconds of each step.
    """

    def __init__(self) -> None:
        self.step_s: list[float] = []
        self._start: float

    def on_step_begin(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Starts the clock; the arguments are the trainer's."""
        self._start = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:  # noqa: ANN401
        """Stops the clock; the arguments are the trainer's."""
        synchronize()
        self.step_s.append(time.perf_counter() - self._start)


def trl_grpo(job: FinetuneJob) -> FinetuneResult:
    """Trains on the same prompts, in groups of eight or fewer, without a reference model.

    TRL runs generation and update inside one step, so that only their sum is measured.
    """
    from datasets import Dataset  # type: ignore[import-not-found]  # optional
    from trl import GRPOTrainer  # type: ignore[import-not-found]  # optional

    tokenizer = AutoTokenizer.from_pretrained(job.folder)
    tokenizer.pad_token = tokenizer.eos_token
    decoder = Tokenizer.from_folder(job.folder)
    texts = [decoder.decode(prompt) for prompt in job.prompts] * (job.repeats + 1)
    clock = StepClock()
    trainer = GRPOTrainer(
        model=GPT2LMHeadModel.from_pretrained(job.folder, dtype="float32"),
        reward_funcs=share_of_vowels,
        args=_config(job),
        train_dataset=Dataset.from_list([{"prompt": text} for text in texts]),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    trainer.train()
    num_tokens = job.num_texts * NEW
    return FinetuneResult([], clock.step_s[1:], num_tokens, num_tokens)


def _config(job: FinetuneJob) -> Any:  # noqa: ANN401 - a type of an optional package
    """A `GRPOConfig` that does the job's work and nothing else: no logs, no checkpoints."""
    from trl import GRPOConfig  # type: ignore[import-not-found]  # optional

    return GRPOConfig(
        output_dir=tempfile.mkdtemp(),
        per_device_train_batch_size=job.num_texts,
        num_generations=min(LARGEST_GROUP, job.num_texts),
        max_completion_length=NEW,
        generation_kwargs={"min_new_tokens": NEW},
        max_steps=job.repeats + 1,
        bf16=job.dtype == "bfloat16",
        gradient_checkpointing=False,
        disable_dropout=True,
        use_cpu=default_device().type == "cpu",
        report_to=[],
        logging_strategy="no",
        save_strategy="no",
        disable_tqdm=True,
    )
