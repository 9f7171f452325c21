"""Where an agent departs from the model's first choice, and what it gains there.

The gain is measured: the episode is played again up to the step, the model's first choice is taken
there, and the agent goes on. Owns the kinds of words.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from agents.evaluation.intervals import clustered_mean_and_interval
from agents.explaining.steps import Recorded
from agents.viewing import wording
from agents.viewing.candidates import END
from agents.viewing.policies import ViewedPolicy
from agents.viewing.trace import Candidate, Step
from lm_envs.envs.actions.choices import ChoiceActions
from lm_envs.envs.vector_env import LanguageVectorEnv

_COMMON = """
a an and are as at be been but by can did do does for from had has have he her his i if in is it its
more most no not of on or our she so than that the their them then there these they this those to us
was we were what when which will with would you your
"""
FUNCTION_WORDS = frozenset(_COMMON.split())

STAGES = ((1, 1), (2, 4), (5, 12), (13, 10**9))
"""First and last step of the rows of a table, counted from 1."""

MOST_LINES = 8
"""Different lines that a table names; the others are counted together."""


@dataclass(frozen=True, slots=True)
class Place:
    """A step of a recorded episode."""

    episode: int
    step: int


def departure_report(
    env: LanguageVectorEnv, policy: ViewedPolicy, records: Recorded, most: int, seed: int
) -> dict[str, Any]:
    """Counts departures by kind of word and by step, and measures the gains of some of them.

    Args:
        env: In autoreset mode DISABLED.
        policy: That was recorded.
        records: Its episodes.
        most: Most departures that are measured; drawn if there are more.
        seed: Of the draw.

    Returns:
        `steps`, `departures`, `share`; `measured`, their number; `gain`, mean and 95 % interval,
        for episodes as clusters;
        `by_kind` and `by_step`, rows of the same by kind of the chosen word and by step.
    """
    traces = [trace for trace, _ in records]
    steps = [(Place(e, s), step) for e, t in enumerate(traces) for s, step in enumerate(t.steps)]
    departing = [place for place, step in steps if step.departs]
    rng = np.random.default_rng(seed)
    if len(departing) > most:
        chosen = np.sort(rng.choice(len(departing), most, replace=False))
        departing = [departing[number] for number in chosen]
    gains = dict(zip(departing, measured_gains(env, policy, records, departing), strict=True))
    # A label is a line too, though it may have one word.
    lines = isinstance(env.actions, ChoiceActions) or any(map(wording.is_line, traces))
    kinds = _kinds([step for _, step in steps], lines=lines)
    stages = [_stage(place.step + 1) for place, _ in steps]
    whole = _row("all", steps, gains)
    return {
        "steps": whole["steps"],
        "departures": whole["departures"],
        "share": whole["share"],
        "measured": len(gains),
        "gain": whole["gain"],
        "by_kind": _rows(kinds, steps, gains),
        "by_step": _rows(stages, steps, gains),
    }


def measured_gains(
    env: LanguageVectorEnv, policy: ViewedPolicy, records: Recorded, places: Sequence[Place]
) -> list[float]:
    """Returns the agent's reward minus that of the model's first choice at each place.

    Everything else is as it was: the steps before are repeated, and the agent goes on after it.
    """
    gains = []
    for start in range(0, len(places), env.num_envs):
        chunk = places[start : start + env.num_envs]
        rewards = _rewards_without(env, policy, records, chunk)
        gains += [records[p.episode][0].reward - r for p, r in zip(chunk, rewards, strict=True)]
    return gains


def kind_of_word(text: str) -> str:
    """Returns the kind of a written token, such as "function word" or "punctuation"."""
    word = text.strip()
    if text == END:
        return "end of text"
    if not word:
        return "line end or blank"
    if "\\x" in word:  # how `token_text` shows bytes
        return "part of a character"
    if all(unicodedata.category(character)[0] in "PS" for character in word):
        return "punctuation"
    if any(character.isdigit() for character in word):
        return "number"
    if not text[0].isspace() and word.isascii():
        return "rest of a word"
    return "function word" if word.lower() in FUNCTION_WORDS else "content word"


def _rewards_without(
    env: LanguageVectorEnv, policy: ViewedPolicy, records: Recorded, places: Sequence[Place]
) -> np.ndarray:
    """Returns the total rewards (R,) of the episodes with the model's first choice at a place."""
    indices = np.resize([records[place.episode][0].index for place in places], env.num_envs)
    observations, _ = env.reset(options={"index": indices})
    totals, running = np.zeros(len(places)), np.ones(len(places), bool)
    step = 0
    while running.any():
        actions = policy.decide(env, observations).actions.copy()  # recurrent policies need each
        firsts = env.actions_for_ranks(np.zeros(env.num_envs, np.int64))
        for row in np.flatnonzero(running).tolist():
            place, moments = places[row], records[places[row].episode][1]
            if step < place.step:
                actions[row] = moments[step].action
            elif step == place.step:
                actions[row] = firsts[row]
        observations, rewards, terminated, truncated, _ = env.step(actions)
        totals[running] += rewards[: len(places)][running]
        is_over = terminated | truncated
        running &= ~is_over[: len(places)]
        if is_over.any() and running.any():
            observations, _ = env.reset(options={"index": indices, "reset_mask": is_over})
        step += 1
    return totals


def _kinds(steps: Sequence[Step], *, lines: bool) -> list[str]:
    if not lines:
        return [kind_of_word(step.action) for step in steps]
    names = [wording.candidate_text(Candidate(step.action), 40) for step in steps]
    known, counts = np.unique(names, return_counts=True)
    kept = set(known[np.argsort(-counts, kind="stable")[:MOST_LINES]].tolist())
    return [name if name in kept else "other lines" for name in names]


def _stage(number: int) -> str:
    first, last = next(pair for pair in STAGES if pair[0] <= number <= pair[1])
    if last >= STAGES[-1][1]:
        return f"step {first} and later"
    return f"step {first}" if first == last else f"steps {first} to {last}"


def _rows(
    names: Sequence[str], steps: Sequence[tuple[Place, Step]], gains: dict[Place, float]
) -> list[dict[str, Any]]:
    rows = [
        _row(name, [each for each, own in zip(steps, names, strict=True) if own == name], gains)
        for name in dict.fromkeys(names)
    ]
    return sorted(rows, key=lambda row: -row["departures"])


def _row(
    name: str, steps: Sequence[tuple[Place, Step]], gains: dict[Place, float]
) -> dict[str, Any]:
    departures = sum(step.departs for _, step in steps)
    places = [place for place, _ in steps if place in gains]
    measured, episodes = np.array([gains[p] for p in places]), [p.episode for p in places]
    is_enough = len(set(episodes)) > 1  # an interval over episodes needs two
    gain = clustered_mean_and_interval(measured, np.array(episodes)) if is_enough else None
    share = departures / len(steps) if steps else 0.0
    counts = {"steps": len(steps), "departures": departures, "share": share}
    return {"name": name, **counts, "measured": len(measured), "gain": gain}
