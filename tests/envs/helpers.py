"""Environments that tests share, and short descriptions of what their rows have written."""

from pathlib import Path

import gymnasium as gym
import numpy as np

import lm_envs

gym.register_envs(lm_envs)
ID = "lm_envs/NextWord-v0"
IDS = [name for name in gym.registry if name.startswith("lm_envs/")]
MODES = ("next_step", "same_step", "disabled")
DATA = Path(__file__).parent / "data"


def make(num_envs=4, autoreset_mode="disabled", *, env_id=ID, **options):
    """Returns N rows on the embedded model; of next words unless another id is given."""
    defaults = {"max_new_tokens": 8} if env_id == ID else {}
    made = gym.make_vec(
        env_id, num_envs=num_envs, autoreset_mode=autoreset_mode, **defaults | options
    )
    return made.unwrapped


def make_small(checkpoint, num_envs=3, **options):
    """Returns N rows of next words on the untrained model of the fixture `checkpoint`."""
    small = {"model": str(checkpoint), "max_new_tokens": 6, "prompt_tokens": 8}
    return make(num_envs, **small | options)


def snapshot(env):
    """Returns prompt, text, tokens and ending of each row."""
    return [(t.prompt, t.text, t.tokens.tolist(), t.ending) for t in env.transcripts]


def text_ids(env):
    """Returns the token ids of prompt and completion of each row."""
    return [np.concatenate([t.prompt_tokens, t.tokens]) for t in env.transcripts]


class FailingScore:
    """A score of 0.5 that raises ZeroDivisionError while `is_failing`."""

    is_failing = False

    def __call__(self, text, references):
        if self.is_failing:
            raise ZeroDivisionError("nothing to divide")
        return 0.5


failing_score = FailingScore()
FAILING = {"max_new_tokens": 2, "rewards": {f"{__name__}:failing_score": 1.0}}
