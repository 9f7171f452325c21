"""A rule for varied customers: text classifiers, then a hand-written policy over their beliefs.

Owns the policy's thresholds and what it learns from. The classifiers learn from labels that no
agent sees: request, mood and mistakes of simulated customers. Knows nothing of rewards.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TypeVar

import numpy as np

from agents.baselines.families import Setting
from agents.baselines.learned_examples import LearnedExamples, once_for_examples
from agents.baselines.rules.customer_beliefs import (
    Beliefs,
    Conversation,
    cached_beliefs,
    conversation,
    learned_classifiers,
)
from agents.evaluation.baselines import Policy
from agents.observations.customer_beliefs import SHOWN_FEATURES, shown_beliefs
from lm_envs.envs.rows import Observations
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tasks.base import Option
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.simulators.customer import QUESTIONS, REQUESTS, is_polite
from lm_envs.tasks.simulators.varied_customer import CLARIFY, CONFIRM, VariedCustomer

NAME = "classified customer"
BELIEVED = "classified customer, shown beliefs"
Believe = Callable[[Sequence[Conversation]], list[Beliefs]]
"""Computes the beliefs of N conversations."""

B = TypeVar("B")
Choose = Callable[[Conversation, B, Sequence[Option]], str]
"""Returns one of the offered lines for a conversation and what is believed of it."""

NUM_DRAWN = 47
"""Trials of thresholds that are drawn at random."""


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When the rule does what.

    Attributes:
        request: A less probable request is clarified, once.
        mistaken: A more probable mistake is confirmed before the grant, once.
        mistaken_per_turn: Added to `mistaken` for each turn so far.
        talkative: Weight of an easy mood for a polite question, if several slots are missing.
        hurried: Weight of a hurried mood against a polite line.
        polite: Polite if the weighted moods exceed this.
        switches_tone: Whether the tone changes after an answer without a value.
        asks_again: Whether a confirmation that got no answer is repeated.
        features: Of the classifiers; see `learned_classifiers`. Has no meaning where observations
            show beliefs.
    """

    request: float = 0.4
    mistaken: float = 0.2
    mistaken_per_turn: float = 0.0
    talkative: float = 0.6
    hurried: float = 1.0
    polite: float = 0.0
    switches_tone: bool = False
    asks_again: bool = False
    features: str = "word"


CHOICES: Mapping[str, Sequence[float | bool | str]] = {
    "request": (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
    "mistaken": (0.05, 0.1, 0.2, 0.3, 0.5, 1.0),
    "mistaken_per_turn": (-0.05, 0.0, 0.05),
    "talkative": (0.0, 0.3, 0.6, 1.0),
    "hurried": (0.5, 0.75, 1.0, 1.5),
    "polite": (-0.3, -0.1, 0.0, 0.1, 0.3),
    "switches_tone": (False, True),
    "features": ("word", "single_word", "char_wb"),
}


FOUND: Sequence[Thresholds] = tuple(
    Thresholds(
        request=0.8,
        mistaken=mistaken,
        talkative=1.5,
        hurried=0.75,
        asks_again=asks_again,
        features=features,
    )
    for features in ("char_wb", "char_wb_dropout")
    for asks_again in (False, True)
    for mistaken in (0.02, 0.05, 0.1)
)
"""Thresholds around the best of a search, one threshold after the other, on 1,500 customers of the
wordings of "validation"."""


def trials() -> list[dict[str, float | bool | str]]:
    """Returns the tried thresholds by names: the default ones, random ones, those of a search."""
    rng = np.random.default_rng(0)
    drawn = [
        {name: values[int(rng.integers(len(values)))] for name, values in CHOICES.items()}
        for _ in range(NUM_DRAWN)
    ]
    return [asdict(Thresholds()), *drawn, *map(asdict, FOUND)]


def believing_trials() -> list[dict[str, float | bool | str]]:
    """Returns the tried thresholds over shown beliefs: those of the search, by names."""
    return [asdict(each) for each in FOUND if each.features == SHOWN_FEATURES]


def classified_customers() -> Callable[[LearnedExamples, Setting, int], Policy]:
    """Returns the function that makes the rule's policy from examples and thresholds, by names.

    Its classifiers learn from the examples' customers, once for all thresholds.
    """

    @once_for_examples
    def believe(examples: LearnedExamples, features: str) -> Believe:
        task = examples.language_env.task
        assert isinstance(task, Dialogue)
        customers = [task.customers[index] for index in examples.indices.tolist()]
        varied = [each for each in customers if isinstance(each, VariedCustomer)]
        return cached_beliefs(learned_classifiers(varied, features))

    def learn(examples: LearnedExamples, setting: Setting, seed: int) -> Policy:
        thresholds = Thresholds(**setting)
        return policy_of(partial(chosen_line, thresholds), believe(examples, thresholds.features))

    return learn


def believing_customers(setting: Setting, seed: int) -> Policy:
    """Returns the rule over the beliefs that the observations show; see `CustomerBeliefs`.

    Args:
        setting: Thresholds by names.
        seed: Not used.
    """
    choose = partial(chosen_line, Thresholds(**setting))

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        assert isinstance(observations, np.ndarray)
        believed = shown_beliefs(env.single_observation_space, observations)
        return _chosen_lines(choose, env, _conversations(env), believed)

    return act


def policy_of(choose: Choose[B], believe: Callable[[Sequence[Conversation]], list[B]]) -> Policy:
    """Returns the policy that chooses a line for what it believes of each conversation.

    Args:
        choose: Returns one of the offered lines.
        believe: Computes the beliefs of N conversations.
    """

    def act(env: LanguageVectorEnv, observations: Observations) -> np.ndarray:
        talks = _conversations(env)
        return _chosen_lines(choose, env, talks, believe(talks))

    return act


def _conversations(env: LanguageVectorEnv) -> list[Conversation]:
    return [conversation(env.episodes, row) for row in range(env.num_envs)]


def _chosen_lines(
    choose: Choose[B], env: LanguageVectorEnv, talks: Sequence[Conversation], believed: Sequence[B]
) -> np.ndarray:
    """Returns the lines (N,) that the rule chooses in N conversations."""
    actions = np.zeros(env.num_envs, np.int64)
    for row, belief in enumerate(believed):
        options = env.task.options(env.episodes.examples[row], talks[row].turns)
        line = choose(talks[row], belief, options)
        actions[row] = [option.text for option in options].index(line)
    return actions


def chosen_line(
    thresholds: Thresholds, talk: Conversation, belief: Beliefs, options: Sequence[Option]
) -> str:
    """Returns one of the offered lines: clarify, ask, confirm, or grant, in this order."""
    is_unsure = max(belief.requests.values()) < thresholds.request
    clarifies = is_unsure and not set(CLARIFY) & set(talk.turns)
    return line_for(thresholds, talk, belief, options, clarifies=clarifies)


def line_for(
    thresholds: Thresholds,
    talk: Conversation,
    belief: Beliefs,
    options: Sequence[Option],
    *,
    clarifies: bool,
) -> str:
    """Returns one of the offered lines, where another rule decides whether it clarifies."""
    enabled = {option.text for option in options if option.is_enabled}
    request = max(belief.requests, key=lambda name: belief.requests[name])
    slots = REQUESTS[request].slots
    missing = [slot for slot in slots if QUESTIONS[slot][0] in enabled]
    tone = int(_is_polite_better(thresholds, talk, belief, len(missing)))
    if clarifies:
        return CLARIFY[tone]
    if missing:
        return QUESTIONS[missing[0]][tone]
    risk = belief.mistaken + thresholds.mistaken_per_turn * len(talk.turns)
    is_known = talk.is_confirmed if thresholds.asks_again else set(CONFIRM) & set(talk.turns)
    if risk > thresholds.mistaken and not is_known:
        return CONFIRM[tone]
    # Grants follow the two questions for each slot; the short form of each is the first.
    return options[2 * (len(QUESTIONS) + list(REQUESTS).index(request))].text


def _is_polite_better(
    thresholds: Thresholds, talk: Conversation, belief: Beliefs, num_missing: int
) -> bool:
    if thresholds.switches_tone and talk.turns and talk.is_refused:
        return not is_polite(talk.turns[-1])
    moods = belief.moods
    talkative = thresholds.talkative * moods["easy"] if num_missing > 1 else 0.0
    return moods["formal"] + talkative - thresholds.hurried * moods["hurried"] > thresholds.polite
