"""Rules that choose one of the lines that a task offers: lookup in the graph, polite greedy.

Each is a policy over `actions="choices"`. Knows nothing of rewards.
"""

from collections.abc import Callable, Sequence

import numpy as np

from agents.baselines.rules.prompts import own_prompt
from agents.evaluation.baselines import Policy
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.base import Option
from lm_envs.tasks.simulators.fact_graph import STOP

CHOICES = "choices"

BACK = " of"
"""Ending of the name of an edge that is followed from the value to the subject."""

SYNONYMS = {"region": ("part of the world",)}
"""Other words that name a relation in a question."""

Rule = Callable[[str, Sequence[str], Sequence[Option]], str | None]
"""Returns one of the offered lines for a prompt and the turns so far; None where it knows none."""


def by_rule(rule: Rule) -> Policy:
    """Returns the policy that writes the rule's line, or the model's most likely line without."""

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        actions, episodes = env.actions_for_ranks(np.zeros(env.num_envs, np.int64)), env.episodes
        for row, example in enumerate(episodes.examples):
            turns = episodes.turns[row]
            options = env.task.options(example, turns)
            line = rule(own_prompt(episodes, example), turns, options)
            if line is not None:
                actions[row] = [option.text for option in options].index(line)
        return actions

    return act


def relation_lookup(prompt: str, turns: Sequence[str], options: Sequence[Option]) -> str | None:
    """Follows the relations that the question names, then stops.

    Edges back to a country come first ("the country whose capital is …"). The name of an edge that
    was followed counts no more. The walk stops after an edge from a country to a value, or where
    the question names no other relation.
    """
    if turns and not turns[-1].endswith(BACK):
        return STOP
    question = prompt.split("\n", 1)[0].lower()
    followed = {turn.removesuffix(BACK) for turn in turns}
    lines = [option.text for option in options if option.is_enabled and option.text != STOP]
    named = [
        line
        for line in lines
        if line.removesuffix(BACK) not in followed and _is_named(line, question)
    ]
    # The longest name first: "highest point" tells more than "point".
    named.sort(key=lambda line: (not line.endswith(BACK), -len(line)))
    if named:
        return named[0]
    return STOP if turns else None


def _is_named(line: str, question: str) -> bool:
    """Returns whether a question names the relation of a line."""
    relation = line.removesuffix(BACK)
    # An edge back is named by its own name: "part of the world" asks for an answer.
    others = () if line.endswith(BACK) else SYNONYMS.get(relation, ())
    return any(name in question for name in (relation, *others))


def polite_greedy() -> Policy:
    """Returns the policy that takes the polite form, `action | 1`, of the likeliest line."""

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        return env.actions_for_ranks(np.zeros(env.num_envs, np.int64)) | 1

    return act
