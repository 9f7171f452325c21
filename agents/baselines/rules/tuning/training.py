"""A rule for training: one schedule of settings for all episodes, and when to stop.

It reads the scores that the agent is paid by, so that it is a policy. Knows no model.
"""

from collections.abc import Callable

import numpy as np

from agents.baselines.evolution import maximize_from
from agents.baselines.families import Family, Trial, by_policy
from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.tuning.training import DECAY, RATE, STOP, TrainingTuner

NAME = "train until it pays no more"

PER_STEP, PER_NAT = 0.5, 0.3
"""Largest change of the learning rate's action with each step, and with each nat of the loss."""

USUAL_LOSS = 3.0
"""Loss at which the rate is that of the schedule; nats a token."""

LARGEST_GAIN = 0.1
"""Largest gain of a step, in reward, below which training can be set to end."""

LOWEST_LOSS, LOSS_RANGE = 0.08, 1.5
"""Loss below which training ends where the setting is 0, and the range of its logarithm."""

START, UNFROZEN = (-0.3, 0.0, 0.15, -1.0, 0.1, -1.0), -0.5
"""Where the search begins: a point without its layers, and the preference for freezing a layer."""

LAYERS = len(START)
"""Position in a point of the first preference for freezing a layer."""

MORE_EVALUATIONS = 48
"""Of the evolution, after one trial with each layer frozen alone and one with none."""


def scheduled_training(point: list[float]) -> Policy:
    """Returns the policy that trains by a schedule until it pays no more.

    Args:
        point: Numbers in [-1, 1]: the first learning rate, as in an action; its change with each
            step, in units of `PER_STEP`; its change with each nat that the loss is over
            `USUAL_LOSS`, in units of `PER_NAT`; the gain of a step at which training ends, in units
            of `LARGEST_GAIN`; the loss at which it ends, as the logarithm of its ratio to
            `LOWEST_LOSS` in units of `LOSS_RANGE`; weight decay; and the preference for freezing
            each layer.
    """
    before: dict[int, float] = {}
    rate, slope, by_loss, least_gain, least_loss, decay = np.array(point[:LAYERS])
    lowest = LOWEST_LOSS * np.exp(LOSS_RANGE * least_loss)

    def act(env: TuningVectorEnv, observations: Observations) -> np.ndarray:
        actions = np.full(env.action_space.shape or (), -1.0, np.float32)
        scores, steps = env.tuner.scores(), env.steps
        losses, rewards = scores["loss"], scores["reward"]
        gains = rewards - [before.get(row, 0.0) for row in range(env.num_envs)]
        before.update(enumerate(rewards.tolist()))
        is_over = (losses < lowest) | ((steps > 0) & (gains <= LARGEST_GAIN * least_gain))
        actions[is_over, STOP] = 1.0
        excess = losses.clip(0.0, 2 * USUAL_LOSS) - USUAL_LOSS
        actions[:, RATE] = rate + PER_STEP * slope * steps + PER_NAT * by_loss * excess
        actions[:, DECAY] = decay
        actions[:, DECAY + 1 :] = np.where(np.array(point[LAYERS:]) > 0.0, 1.0, -1.0)
        return actions.clip(-1.0, 1.0)

    return act


def trains(env: TuningVectorEnv) -> bool:
    """Returns whether actions control the training of a model."""
    return isinstance(env.tuner, TrainingTuner)


def scheduled(env: TuningVectorEnv) -> Family:
    """Returns the family of these schedules, which an evolution strategy finds.

    Args:
        env: Any rows of the environment, for the number of layers.
    """
    layers = len(env.tuner.action_names) - DECAY - 1

    def search(mean_reward: Callable[[list[float]], float]) -> list[Trial]:
        is_frozen = np.eye(layers + 1, layers, dtype=bool)
        preferences = np.where(is_frozen, -UNFROZEN, UNFROZEN).tolist()
        starts = [[*START, *each] for each in preferences]
        return maximize_from(mean_reward, starts, evaluations=MORE_EVALUATIONS)

    return Family(NAME, search, by_policy(lambda point, seed: scheduled_training(point)))
