"""Facts about the ratings and the fit, and the words for them.

Owns the numbers of the report and its sentences. Fits nothing.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from agents.preferences.agreement import Share, share
from agents.preferences.fitting import Fit
from lm_envs.tasks.ratings import RatedText, Rating


def rating_facts(texts: Mapping[int, RatedText], ratings: Sequence[Rating]) -> dict[str, Any]:
    """Returns numbers of ratings, of raters, of programs among them, and how raters agree."""
    decided = [r for r in ratings if r.second is not None and r.value not in (None, 0.5)]
    facts: dict[str, Any] = {
        "ratings": len(ratings),
        "raters": len({rating.rater for rating in ratings}),
        "simulated": sum(rating.is_simulated for rating in ratings),
        "ties": sum(r.second is not None and r.value == 0.5 for r in ratings),
        "skipped": sum(rating.value is None for rating in ratings),
    }
    left = np.array([(r.value == 1.0) != r.is_swapped for r in decided], float)
    facts["left_chosen"] = share(left).as_dict()
    if len(same := _agreements(decided)):
        facts["raters_agree"] = share(same).as_dict()
    if wins := _wins(texts, decided):
        facts["wins"] = {name: share(np.array(each)).as_dict() for name, each in wins.items()}
    return facts


def _agreements(decided: Sequence[Rating]) -> np.ndarray:
    """Returns for each two raters of one pair whether they chose the same text."""
    by_item: dict[tuple[int, int | None], list[float]] = defaultdict(list)
    for rating in decided:
        by_item[rating.item].append(float(rating.value or 0.0))
    two = [a == b for values in by_item.values() for a, b in combinations(values, 2)]
    return np.array(two, float)


def _wins(texts: Mapping[int, RatedText], decided: Sequence[Rating]) -> dict[str, list[float]]:
    """Returns for two different sources, in alphabetical order, where the first of them won."""
    wins: dict[str, list[float]] = defaultdict(list)
    for rating in decided:
        assert rating.second is not None
        first, second = texts[rating.first].source, texts[rating.second].source
        if first and second and first != second:
            won = (rating.value == 1.0) == (first < second)
            wins[f"{min(first, second)} against {max(first, second)}"].append(float(won))
    return wins


def percent(found: Share | Mapping[str, Any]) -> str:
    """Returns a share with its interval in percent."""
    values = found.as_dict() if isinstance(found, Share) else found
    low, high = values["interval"]
    return f"{100 * values['mean']:.0f} % [{100 * low:.0f}, {100 * high:.0f}] of {values['count']}"


def rows(facts: Mapping[str, Any], fit: Fit) -> list[tuple[str, str]]:
    """Returns the lines of the table."""
    found = [
        ("ratings", f"{facts['ratings']} of {facts['raters']} raters"),
        ("ties, skipped", f"{facts['ties']}, {facts['skipped']}"),
        ("left text chosen", percent(facts["left_chosen"])),
        ("held-out agreement", percent(fit.agreement)),
    ]
    if facts["simulated"]:
        found.insert(1, ("simulated", f"{facts['simulated']} ratings, by programs"))
    if "raters_agree" in facts:
        found.append(("two raters agree", percent(facts["raters_agree"])))
    found += [(name, percent(each)) for name, each in facts.get("wins", {}).items()]
    steps = ", ".join(f"{count}: {100 * value:.0f} %" for count, value in fit.curve.items())
    found += [("agreement by comparisons", steps), ("design", fit.design)]
    strongest = sorted(fit.importance.items(), key=lambda pair: -abs(pair[1]))
    weights = ", ".join(f"{name} {value:+.2f}" for name, value in strongest if abs(value) > 0.005)
    found.append(("weights", weights or "none"))
    return found


def verdict(fit: Fit) -> str:
    """Returns what the agreement allows, and how many comparisons would be needed."""
    agreement = fit.agreement
    width = f"An interval of ±5 points needs about {agreement.needed_for_width} comparisons."
    if agreement.beats_chance:
        return f"The fit predicts held-out choices better than chance (50 %). {width}"
    needed = agreement.needed_for_chance
    more = f"about {needed} would show it at this agreement" if needed else "none is in sight yet"
    return (
        f"The fit is not shown to predict choices better than chance (50 %): {more}. Rate more "
        f"pairs before it is used as a reward. {width}"
    )
