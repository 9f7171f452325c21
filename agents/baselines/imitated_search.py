"""Imitated search: the agent's own network learns the best plan that a search found per example.

A plan is the actions of one episode. The search begins with the best episode that any setting of a
rule has, and changes its actions at random, where that raises the reward; it runs on the examples
that the agent learns from, again and again, which no policy could do on those that are judged. Owns
the search. Episodes must depend on the example and the actions alone.

Source: imitation of a search, Guo et al. 2014, "Deep learning for real-time Atari game play using
offline Monte-Carlo tree search planning".
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np

from agents.baselines.cloning import clone, joined, taken
from agents.baselines.families import Environments, Family, PolicyRun, Setting, Steps, grid
from agents.baselines.learned_examples import LearnedExamples, learned_examples
from agents.baselines.stored_plans import StoredPlans, read_plans, write_plans
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluation.baselines import Policy
from agents.evaluation.rollouts import PlacedPolicy, run_placed_episodes
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations

NAME = "imitated search"
ROUNDS = (0, 60)
"""Changed plans that are tried for each example, after the settings of the rule."""

EPOCHS = (1, 2, 4, 8, 16, 32)
MOST_CHANGES = 2
"""Largest number of changes of a plan that are tried together."""

INSERTED = 0.5
"""Probability that a change of a discrete plan adds an action; otherwise it replaces one."""

REPLAYED = 1.0e-4
"""Largest difference of a reward that the same plan may have on another machine."""

NOISE = 0.25
"""Standard deviation of a change of a continuous action, as a share of its range."""


@dataclass(slots=True)
class Episode:
    """One episode of an example.

    Attributes:
        observations: Before each step, of one row.
        actions: Of each step.
        masks: (A,) valid discrete actions before each step; None for continuous ones.
        reward: Of the whole episode.
    """

    observations: list[Observations] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)
    masks: list[np.ndarray | None] = field(default_factory=list)
    reward: float = -np.inf


def imitated_search(config: TrainConfig, rule: Family, rounds: Sequence[int] = ROUNDS) -> Family:
    """Returns the family of clones of the search; its settings are the rounds and the epochs.

    Args:
        config: Of the run.
        rule: A family of policies; the search begins with each of its settings.
        rounds: Numbers of changed plans for each example, of which one is chosen.
    """
    found: dict[tuple[bytes, int], Steps] = {}

    def steps_after(tried: int, environments: Environments, examples: LearnedExamples) -> Steps:
        key = examples.indices.tobytes()
        if (key, tried) not in found:
            for after, best in searched(config, rule, environments, examples, rounds).items():
                found[key, after] = choices(best)
        return found[key, tried]

    def make(
        environments: Environments, split: str, indices: np.ndarray, setting: Setting, seed: int
    ) -> Policy:
        tried, epochs = setting
        examples = learned_examples(environments, split, indices)
        return clone(config, steps_after(tried, environments, examples), epochs, seed)

    settings = [[tried, epochs] for tried in rounds for epochs in EPOCHS]
    run = PolicyRun(make, steps=partial(steps_after, max(rounds)))
    return Family(NAME, grid(*settings), run, is_drawn=True)


def searched(
    config: TrainConfig,
    rule: Family,
    environments: Environments,
    examples: LearnedExamples,
    rounds: Sequence[int],
) -> dict[int, list[Episode]]:
    """Returns the best episodes by the number of rounds, from `clone_plans` if it has them.

    Plans of a file are played once more. A search is written to `clone_plans` unless it is there.

    Raises:
        UserError: If the file has no plans, those of other examples or rounds, or plans that do
            not earn what they earned.
    """
    path = Path(config.clone_plans)
    if config.clone_plans and path.exists():
        return _played(path, examples, rounds)
    best = search(examples, rule_policies(rule, environments), rounds)
    if config.clone_plans:
        plans = {after: [episode.actions for episode in found] for after, found in best.items()}
        rewards = {after: _rewards(found) for after, found in best.items()}
        write_plans(path, StoredPlans(examples.indices, plans, rewards))
    return best


def _played(
    path: Path, examples: LearnedExamples, rounds: Sequence[int]
) -> dict[int, list[Episode]]:
    stored = read_plans(path)
    fits = np.array_equal(stored.indices, examples.indices) and set(rounds) <= set(stored.plans)
    best = {}
    for after in rounds if fits else ():
        best[after] = episodes(examples, replayed(stored.plans[after]))
        earned = _rewards(best[after])
        fits = fits and np.allclose(earned, stored.rewards[after], atol=REPLAYED, rtol=0.0)
    if not fits:
        raise UserError(
            f"Got clone_plans={str(path)!r}, whose plans are for other examples or do not earn "
            "what they earned; allowed: plans of this environment. Delete it to search again, or "
            "name another file."
        )
    return best


def rule_policies(rule: Family, environments: Environments) -> list[Policy]:
    """Returns the policies of all settings of a rule.

    Args:
        rule: The rule; its run is a `PolicyRun`. If it learns, it is from the agent's examples.
        environments: Makes the rows.
    """
    run, split = rule.run, environments.config.evaluation.split
    assert isinstance(run, PolicyRun)
    judged = np.arange(environments.get(split).num_examples)
    settings = [setting for setting, _ in rule.search(lambda setting: 0.0)]
    return [run.make(environments, split, judged, setting, 0) for setting in settings]


def search(
    examples: LearnedExamples, starts: Sequence[Policy], rounds: Sequence[int], seed: int = 0
) -> dict[int, list[Episode]]:
    """Returns the best episode of each example after some numbers of rounds.

    Args:
        examples: E examples.
        starts: Policies whose episodes it begins with.
        rounds: Numbers of changed plans that are tried for each example.
        seed: Of the changes.
    """
    rng, space = np.random.default_rng(seed), examples.env.single_action_space
    best = [Episode() for _ in examples.indices]
    for policy in starts:
        best = _better(
            best, episodes(examples, lambda env, seen, places, act=policy: act(env, seen))
        )
    kept = {}
    for done in range(max(rounds) + 1):
        if done:
            plans = [changed(episode.actions, space, rng) for episode in best]
            best = _better(best, episodes(examples, replayed(plans)))
        if done in rounds:
            kept[done] = best
    return kept


def _rewards(found: Sequence[Episode]) -> np.ndarray:
    return np.array([episode.reward for episode in found])


def _better(known: list[Episode], tried: list[Episode]) -> list[Episode]:
    return [b if b.reward > a.reward else a for a, b in zip(known, tried, strict=True)]


def changed(
    plan: Sequence[np.ndarray], space: gym.Space[np.ndarray], rng: np.random.Generator
) -> list[np.ndarray]:
    """Returns a plan with one or more random changes, at most `MOST_CHANGES`.

    A discrete action is replaced by another, or one is added before it; a continuous one is moved.
    """
    new = list(plan)
    count = min(int(rng.integers(1, MOST_CHANGES + 1)), len(plan))
    for place in sorted(rng.choice(len(plan), count, replace=False).tolist(), reverse=True):
        if isinstance(space, gym.spaces.Box):
            noise = rng.normal(scale=NOISE * (space.high - space.low))
            new[place] = (new[place] + noise).clip(space.low, space.high).astype(np.float32)
            continue
        assert isinstance(space, gym.spaces.Discrete)
        if rng.random() < INSERTED:
            new.insert(place, np.array(rng.integers(space.n)))
        else:
            new[place] = (new[place] + rng.integers(1, space.n)) % space.n
    return new


def replayed(plans: Sequence[Sequence[np.ndarray]]) -> PlacedPolicy:
    """Returns the policy that takes the actions of each example's plan.

    Actions that are not valid are left out; after the plan its last valid action is repeated, or
    the first valid action is taken.

    Args:
        plans: Actions of each example.
    """
    own = [*plans, plans[0][:1]]  # the last one is for rows without an example
    waiting = [deque(plan) for plan in own]

    def next_action(place: int, mask: np.ndarray | None) -> np.ndarray:
        while waiting[place]:
            action = waiting[place].popleft()
            if mask is None or mask[action]:
                return action
        valid = [action for action in own[place] if mask is None or mask[action]]
        return valid[-1] if valid else np.array(np.asarray(mask).argmax())

    def act(env: EpisodicVectorEnv, observations: Observations, places: np.ndarray) -> np.ndarray:
        masks = _masks(env)
        actions = [
            next_action(place, mask) for place, mask in zip(places.tolist(), masks, strict=True)
        ]
        return np.stack(actions)

    return act


def episodes(examples: LearnedExamples, policy: PlacedPolicy) -> list[Episode]:
    """Runs a policy on the examples; returns their episodes."""
    found = [Episode() for _ in examples.indices]

    def act(env: EpisodicVectorEnv, observations: Observations, places: np.ndarray) -> np.ndarray:
        actions, masks = policy(env, observations, places), _masks(env)
        for row in np.flatnonzero(places >= 0).tolist():
            episode = found[places[row]]
            episode.observations.append(taken(observations, np.array([row])))
            episode.actions.append(np.array(actions[row]))
            episode.masks.append(masks[row])
        return actions

    transcripts = run_placed_episodes(examples.env, act, examples.indices)
    for episode, transcript in zip(found, transcripts, strict=True):
        episode.reward = transcript.scores["reward"]
    return found


def choices(found: Sequence[Episode]) -> Steps:
    """Returns the steps of some episodes at which more than one action was valid."""
    steps = [
        step
        for episode in found
        for step in zip(episode.observations, episode.actions, episode.masks, strict=True)
        if step[2] is None or step[2].sum() > 1
    ]
    observations, actions, masks = zip(*steps, strict=True)
    is_discrete = masks[0] is not None
    return joined(observations), np.stack(actions), np.stack(masks) if is_discrete else None


def _masks(env: EpisodicVectorEnv) -> Sequence[np.ndarray | None]:
    """Returns the valid discrete actions of each row; None for continuous ones."""
    if isinstance(env.single_action_space, gym.spaces.Discrete):
        return list(env.action_masks())
    return [None] * env.num_envs
