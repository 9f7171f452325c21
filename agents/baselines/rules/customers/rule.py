"""The rule over filtered beliefs: thresholds as those of `rules.dialogue`, and two more.

Owns when a request is clarified, and clarified again. Knows no hypotheses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.baselines.rules.customer_beliefs import Conversation
from agents.baselines.rules.customers.filter import FilteredBeliefs
from agents.baselines.rules.dialogue import Thresholds, line_for
from lm_envs.tasks.base import Option
from lm_envs.tasks.simulators.varied_customer import CLARIFY


@dataclass(frozen=True, slots=True)
class FilterThresholds(Thresholds):
    """When the rule does what; `features` has no meaning here.

    Attributes:
        named: A request that was more probably named is not clarified.
        again: A request whose probability is below `request` by more than this is clarified again.
        temperature: Of the classifier of sentences.
    """

    named: float = 0.9
    again: float = 1.0
    temperature: float = 0.6


def filtered_line(
    thresholds: FilterThresholds,
    talk: Conversation,
    belief: FilteredBeliefs,
    options: Sequence[Option],
) -> str:
    """Returns one of the offered lines: clarify, ask, confirm, or grant, in this order."""
    is_clarified = bool(set(CLARIFY) & set(talk.turns))
    least = thresholds.request - (thresholds.again if is_clarified else 0.0)
    clarifies = max(belief.requests.values()) < least and belief.named < thresholds.named
    return line_for(thresholds, talk, belief, options, clarifies=clarifies)
