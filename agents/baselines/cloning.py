"""Behavior cloning: the agent's own network learns the actions of the oracle or of a baseline.

The observations, candidates and examples are those of reinforcement learning, so that the two can
be compared. Owns the loss of each algorithm's policy. Chooses no number of epochs.

Source: Pomerleau 1988, "ALVINN: an autonomous land vehicle in a neural network".
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from sb3_contrib import QRDQN, TRPO, MaskablePPO
from stable_baselines3 import A2C, DQN, PPO
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.algorithms.factory import make_algorithm, make_training_env
from agents.baselines.families import Environments, Family, PolicyRun, Steps, grid, tuned
from agents.baselines.learned_examples import MOST_EXAMPLES, LearnedExamples, learned_examples
from agents.baselines.suite import MOST_CHOICE_PROMPTS
from agents.config.env_ids import has_oracle
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluation.baselines import Policy, oracle
from agents.evaluation.rollouts import agent_policy, evenly_spaced_indices, run_episodes
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations

NAME = "cloning"
EPOCHS = (1, 2, 4, 8, 16, 32, 64, 128)
BATCH = 256
LEARNING_RATE = 1.0e-3
LARGEST_NORM = 1.0

CLONED_EXAMPLES = 4_000
"""Examples on which an agent imitates a policy before it earns rewards; their observations stay in
memory. A search, which plays each example often, has `MOST_EXAMPLES`."""

EXPLORATION = "log_std"
"""Name of the spread of continuous actions, which imitation leaves as it was set: actions of a rule
have none, and an agent without any would learn nothing from rewards."""

VALUE_SCALE = 10.0
"""Action values times this are the logits: rewards differ by less than 1, too little for a softmax
to be sure of an action."""


def cloned(config: TrainConfig, teacher: Family | None = None) -> Family:
    """Returns the family of clones, whose setting is the number of epochs.

    Args:
        config: Of the run.
        teacher: The baseline that is imitated; None for the oracle.

    Raises:
        UserError: As by `check_clonable`.
    """
    check_clonable(config, "--clone", has_teacher=teacher is not None)
    known: dict[bytes, Steps] = {}  # by the examples, which are the same for every number of epochs

    def make(
        environments: Environments, split: str, indices: np.ndarray, epochs: float, seed: int
    ) -> Policy:
        examples = learned_examples(environments, split, indices)
        key = examples.indices.tobytes()
        if key not in known:
            policy = oracle()
            if teacher is not None:
                policy = chosen_policy(teacher, environments, split, indices)
            known[key] = policy_steps(examples, policy)
        return clone(config, known[key], int(epochs), seed)

    name = NAME if teacher is None else f"{NAME} of {teacher.name}"
    return Family(name, grid(*EPOCHS), PolicyRun(make), is_drawn=True)


def clone(config: TrainConfig, steps: Steps, epochs: int, seed: int) -> Policy:
    """Returns the policy of a new agent that has imitated some steps.

    Args:
        config: Of the agent.
        steps: What it imitates.
        epochs: Passes over the steps.
        seed: Of the agent, and of the order of the steps.
    """
    seeded = config.model_copy(update={"seed": seed})
    model = make_algorithm(seeded, make_training_env(seeded), None)
    fit(model, *steps, epochs, seed)
    return agent_policy(model)


def chosen_policy(
    family: Family, environments: Environments, split: str, indices: np.ndarray
) -> Policy:
    """Returns a baseline's policy with the setting that is best on `evaluation.split`.

    Args:
        family: The baseline.
        environments: Makes the rows.
        split: A split that the baseline must not learn from.
        indices: (E,) examples of this split.

    Raises:
        UserError: If the baseline is no policy that acts as the agent does.
    """
    run = family.run
    if not isinstance(run, PolicyRun) or run.actions is not None or family.uses_reward:
        raise UserError(
            f"Got {family.name!r} to imitate, which does not act by the agent's own actions, or "
            "reads rewards; choose another baseline."
        )
    other = environments.config.evaluation.split
    places = evenly_spaced_indices(environments.get(other).num_examples, MOST_CHOICE_PROMPTS)
    setting = tuned(family, environments, other, places).setting
    return run.make(environments, split, indices, setting, 0)


def check_clonable(config: TrainConfig, what: str, *, has_teacher: bool = False) -> None:
    """Checks that a configuration's agent can learn the actions of the oracle or of a baseline.

    Args:
        config: Of the run.
        what: Which option or key asks for it.
        has_teacher: Whether the actions are those of a baseline, which every environment has.

    Raises:
        UserError: If the environment has no oracle, or the algorithm has no policy that can learn
            actions by supervised learning.
    """
    name, env_id = config.algorithm.name, config.env.id
    if not (has_teacher or has_oracle(env_id)):
        raise UserError(
            f"Got {what} for env.id={env_id!r}, which has no oracle; allowed: ids whose vector "
            "environment has oracle_actions(). Leave it out."
        )
    if name not in ("PPO", "A2C", "TRPO", "MaskablePPO", "DQN", "QRDQN"):
        raise UserError(
            f"Got {what} for algorithm.name={name!r}; allowed: PPO, A2C, TRPO, MaskablePPO, DQN "
            "and QRDQN. Leave it out."
        )


def imitate(
    environments: Environments, model: BaseAlgorithm, teacher: Family | None = None
) -> list[float]:
    """Trains a new agent for `clone_epochs` on its own training examples; returns each mean loss.

    Args:
        environments: Makes the rows of the run's configuration.
        model: Its policy is changed.
        teacher: The baseline that is imitated; None for the oracle.

    Raises:
        UserError: As by `check_clonable` and `chosen_policy`.
    """
    config = environments.config
    check_clonable(config, "clone_epochs", has_teacher=teacher is not None)
    env = environments.get(config.env.split)

    def learned(most: int) -> LearnedExamples:
        return LearnedExamples(env, evenly_spaced_indices(env.num_examples, most))

    if teacher is None:
        steps = policy_steps(learned(CLONED_EXAMPLES), oracle())
    elif isinstance(teacher.run, PolicyRun) and teacher.run.steps is not None:
        steps = teacher.run.steps(environments, learned(MOST_EXAMPLES))  # as the baseline does
    else:
        other = config.evaluation.split
        judged = np.arange(environments.get(other).num_examples)
        policy = chosen_policy(teacher, environments, other, judged)
        steps = policy_steps(learned(CLONED_EXAMPLES), policy)
    return fit(model, *steps, config.clone_epochs)


def policy_steps(examples: LearnedExamples, policy: Policy) -> Steps:
    """Runs a policy on the examples; returns what it saw and did in all T steps."""
    seen: list[Observations] = []
    done: list[np.ndarray] = []
    masks: list[np.ndarray] = []

    def act(env: EpisodicVectorEnv, observations: Observations) -> np.ndarray:
        actions = policy(env, observations)
        seen.append(observations)
        done.append(np.array(actions))
        if hasattr(env.single_action_space, "n"):
            masks.append(env.action_masks())
        return actions

    run_episodes(examples.env, act, examples.indices)
    return joined(seen), np.concatenate(done), np.concatenate(masks) if masks else None


def fit(
    model: BaseAlgorithm,
    observations: Observations,
    actions: np.ndarray,
    masks: np.ndarray | None,
    epochs: int,
    seed: int = 0,
) -> list[float]:
    """Trains the policy to take the actions; returns the mean loss of each epoch, nats.

    Args:
        model: Its policy is changed.
        observations: (T, ...).
        actions: (T, ...).
        masks: (T, A), which actions are valid; None for continuous ones.
        epochs: Passes over the T steps.
        seed: Of the order of the steps.
    """
    loss, named = _loss(model), model.policy.named_parameters()
    parameters = [p for name, p in named if p.requires_grad and name != EXPLORATION]
    optimizer = torch.optim.Adam(parameters, LEARNING_RATE)
    rng, means = np.random.default_rng(seed), []
    model.policy.set_training_mode(True)
    for _ in range(epochs):
        order, total = rng.permutation(len(actions)), 0.0
        for start in range(0, len(order), BATCH):
            places = order[start : start + BATCH]
            allowed = None if masks is None else masks[places]
            value = loss(taken(observations, places), actions[places], allowed)
            optimizer.zero_grad()
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, LARGEST_NORM)
            optimizer.step()
            total += float(value.detach()) * len(places)
        means.append(total / len(order))
    model.policy.set_training_mode(False)
    return means


Loss = Callable[[Observations, np.ndarray, np.ndarray | None], torch.Tensor]


def _loss(model: BaseAlgorithm) -> Loss:
    """Returns the mean negative log-probability of actions under the algorithm's policy, nats."""
    policy = model.policy
    if isinstance(model, (DQN, QRDQN)):
        return lambda seen, actions, masks: torch.nn.functional.cross_entropy(
            _values(model, seen) * VALUE_SCALE, torch.as_tensor(actions, dtype=torch.int64)
        )
    assert isinstance(model, (PPO, A2C, TRPO, MaskablePPO))

    def loss(seen: Observations, actions: np.ndarray, masks: np.ndarray | None) -> torch.Tensor:
        tensors = policy.obs_to_tensor(seen)[0]
        options = {"action_masks": masks} if isinstance(model, MaskablePPO) else {}
        distribution = policy.get_distribution(tensors, **options)  # type: ignore[operator]  # of actor-critic policies
        return -distribution.log_prob(torch.as_tensor(actions)).mean()

    return loss


def _values(model: DQN | QRDQN, seen: Observations) -> torch.Tensor:
    """Returns action values (N, A)."""
    tensors = model.policy.obs_to_tensor(seen)[0]
    if isinstance(model, QRDQN):
        return model.policy.quantile_net(tensors).mean(1)
    return model.policy.q_net(tensors)


def joined(parts: Sequence[Observations]) -> Observations:
    """Returns the observations of several steps, one after the other."""
    named = [part for part in parts if isinstance(part, dict)]
    if named:
        return {name: np.concatenate([part[name] for part in named]) for name in named[0]}
    return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])


def taken(observations: Observations, places: np.ndarray) -> Observations:
    """Returns the observations at some places (B,)."""
    if isinstance(observations, dict):
        return {name: values[places] for name, values in observations.items()}
    return observations[places]
