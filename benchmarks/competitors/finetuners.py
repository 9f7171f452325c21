"""Our policy in `finetune`: PPO of Stable-Baselines3 with our episode buffer, and without it.

Owns how each variant is set up and timed. Knows nothing of other competitors.
"""

import time

from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback

from agents.language_model.buffer import EpisodeRolloutBuffer
from agents.language_model.lora import LoRA
from agents.language_model.memory_estimate import keep_freed_memory
from agents.language_model.policy import LanguageModelPolicy
from benchmarks.competitors.finetune_job import (
    MINIBATCH,
    NEW,
    SAMPLED_TOKENS,
    FinetuneJob,
    FinetuneResult,
    make_environment,
)
from benchmarks.harness.device import synchronize


def per_episode(job: FinetuneJob) -> FinetuneResult:
    """Our policy and buffer: one epoch over whole episodes, one forward pass for each text."""
    return _ppo(job, EpisodeRolloutBuffer, NEW, job.num_texts * NEW)


def per_episode_lora(job: FinetuneJob) -> FinetuneResult:
    """As `per_episode`, but trains LoRA adapters of every layer and keeps the weights fixed."""
    lora = LoRA(layers=("c_attn", "c_proj", "c_fc"))
    return _ppo(job, EpisodeRolloutBuffer, NEW, job.num_texts * NEW, lora)


def per_token(job: FinetuneJob) -> FinetuneResult:
    """Our policy with Stable-Baselines3's buffer: one padded forward pass for each token."""
    return _ppo(job, DictRolloutBuffer, SAMPLED_TOKENS, MINIBATCH)


class RoundClock(BaseCallback):
    """Measures each rollout and each update of an on-policy algorithm.

    Attributes:
        rollout_s: Seconds of each rollout.
        update_s: Seconds of each update, from the end of a rollout to the start of the next.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rollout_s: list[float] = []
        self.update_s: list[float] = []
        self._start: float
        self._is_updating = False

    def _on_rollout_start(self) -> None:
        self._end_update()
        self._start = time.perf_counter()

    def _on_rollout_end(self) -> None:
        synchronize()
        now = time.perf_counter()
        self.rollout_s.append(now - self._start)
        self._start, self._is_updating = now, True

    def _on_training_end(self) -> None:
        self._end_update()

    def _on_step(self) -> bool:
        return True

    def _end_update(self) -> None:
        synchronize()  # kernels of the last minibatch may still run
        if self._is_updating:
            self.update_s.append(time.perf_counter() - self._start)
        self._is_updating = False


def _ppo(
    job: FinetuneJob,
    buffer: type[DictRolloutBuffer],
    num_steps: int,
    batch_size: int,
    lora: LoRA | None = None,
) -> FinetuneResult:
    """Trains with one epoch per rollout of `num_steps` steps; drops the first round's times."""
    options = {"dtype": job.dtype, "rewards": {"fluency": 1.0}, "prompt_cache": 0}
    env = make_environment(job.folder, job.num_texts, **options)
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
    clock = RoundClock()
    agent.learn((job.repeats + 1) * num_steps * job.num_texts, callback=clock)
    num_tokens = num_steps * job.num_texts
    return FinetuneResult(clock.rollout_s[1:], clock.update_s[1:], num_tokens, num_tokens)
