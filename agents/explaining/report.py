"""The whole explanation of a run as plain values, and its main sentence.

Owns which parts apply to which agent, and the wording of the sentence. Lays nothing out.
"""

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

import gymnasium as gym
import numpy as np
from sb3_contrib import RecurrentPPO

from agents.evaluation.intervals import mean_and_interval
from agents.explaining.attribution import attribute, drawn, values_of_steps
from agents.explaining.departures import departure_report
from agents.explaining.gradients import integrated_gradients
from agents.explaining.groups import observation_groups
from agents.explaining.occlusion import Attribute, occlusion_check, word_attributions
from agents.explaining.steps import LEAST_MOVE, Recorded, StepArrays
from agents.explaining.surrogate import fit_tree
from agents.language_model.policy import LanguageModelPolicy
from agents.viewing.runs import ViewedRun
from agents.viewing.trace import EpisodeTrace
from agents.viewing.wording import percent
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.tokenizer import Tokenizer

SHOWN = 3
"""Episodes whose steps are explained one by one."""

CONTINUOUS = (
    "The actions are continuous: a Shapley value is by how much a group brings the agent's action "
    "closer to the taken one, as a share of the range of a component, and an action changes if a "
    f"component moves by more than {LEAST_MOVE:g} of its range."
)
BACKGROUND = 16
SEED = 0


def explain(
    run: ViewedRun, env: EpisodicVectorEnv, records: Recorded, most_departures: int
) -> dict[str, Any]:
    """Returns everything that the page shows.

    Args:
        run: The agent.
        env: That the episodes were recorded in.
        records: Two episodes or more.
        most_departures: Departures whose gain is measured.

    Returns:
        `sentence`; `episodes` with their steps; `reward`; and, where they apply, `groups` (see
        `Attribution`), `departures` (see `departure_report`), `tree` (see `fit_tree`), `words` and
        `gradients` (see `occlusion_check`); `notes` on what does not apply.
    """
    traces = [trace for trace, _ in records]
    notes: list[str] = []
    rewards = np.array([[trace.reward for trace in traces]])
    report: dict[str, Any] = {"run": run.title, "reward": mean_and_interval(rewards)}
    report |= {"num_episodes": len(traces), "num_steps": sum(len(each.steps) for each in traces)}
    shown = [trace.to_json() for trace in traces[:SHOWN]]
    groups = _groups(run, env, notes)
    if groups:
        steps = StepArrays.from_records(records)
        found = attribute(run.agent, steps, groups, BACKGROUND, SEED)
        report["groups"] = asdict(found)
        _add_values(run, steps, groups, shown)
    policy = run.agent.policy
    if isinstance(policy, LanguageModelPolicy):
        assert isinstance(env, LanguageVectorEnv)
        report |= _words(policy, env.tokenizer, traces, shown, notes)
    report |= _departures(run, env, records, most_departures, notes)
    report |= {"notes": notes, "episodes": shown}
    return {"sentence": main_sentence(report), **report}


def _words(
    policy: LanguageModelPolicy,
    tokenizer: Tokenizer,
    traces: Sequence[EpisodeTrace],
    shown: Sequence[dict[str, Any]],
    notes: list[str],
) -> dict[str, Any]:
    """Returns the checks of the words' attributions, and adds these to the shown episodes."""
    methods: dict[str, Attribute] = {"words": word_attributions}
    if find_spec("captum") is None:
        notes.append("No integrated gradients: Captum is missing; pip install 'lm_envs[explain]'.")
    else:
        methods["gradients"] = integrated_gradients
    for name, method in methods.items():
        for document, trace in zip(shown, traces, strict=False):
            document[name] = method(policy, tokenizer, trace.transcript, 1)
    return {
        name: occlusion_check(policy, tokenizer, traces, method) for name, method in methods.items()
    }


def main_sentence(report: dict[str, Any]) -> str:
    """Returns what the agent learned, in one or two sentences with their figures."""
    parts = []
    if (departures := report.get("departures")) and departures["departures"]:
        sentence = (
            f"The agent departs from the model's first choice in {percent(departures['share'], 0)} "
            f"of {departures['steps']} held-out steps"
        )
        gain = f"; {gain_sentence(departures['gain'])}" if departures["gain"] else ""
        parts.append(f"{sentence}{gain}.")
    elif departures:
        parts.append("The agent always takes the model's first choice.")
    if groups := report.get("groups"):
        first = max(groups["shares"], key=lambda name: groups["shares"][name])
        parts.append(
            f"What it does is decided mostly by: {first} ({percent(groups['shares'][first], 0)} of "
            f"the attribution). {check_sentence(groups['check'])}"
        )
    if words := report.get("words"):
        parts.append(word_sentence(words))
    return " ".join(parts) or "There is nothing to attribute for this agent; see the notes."


def gain_sentence(gain: dict[str, Any]) -> str:
    """Returns by how much a departure raises or lowers the reward, with the interval."""
    low, high = gain["interval"]
    verb = "raises" if low > 0 else "lowers" if high < 0 else "does not clearly change"
    return (
        f"compared with that choice, a departure {verb} the reward of the episode: "
        f"{gain['mean']:+.3f} ({low:+.3f} … {high:+.3f})"
    )


def check_sentence(check: dict[str, Any]) -> str:
    """Returns whether removing the important groups changes the action more often, and how much."""
    if not check["others"]:
        return "There is one group only, so that nothing can be compared."
    return (
        f"This {'is' if check['is_true'] else 'is NOT'} confirmed on held-out prompts: without "
        f"{_listed(check['important'])}, the action changes in "
        f"{_percentages(check)[0]} of steps; without all others, in {_percentages(check)[1]}."
    )


def word_sentence(words: dict[str, Any]) -> str:
    """Returns the same for the words of prompts."""
    own, other = _percentages(words)
    return (
        f"The words called important are {'' if words['is_true'] else 'NOT '}confirmed: without "
        f"the {words['removed']} most important words of the prompt the preferred token changes in "
        f"{own} of held-out steps, without the {words['removed']} least important ones in {other}."
    )


def _percentages(check: dict[str, Any]) -> tuple[str, str]:
    """Returns the shares of steps that change, the second one with the interval of the gap."""
    low, high = check["difference"]["interval"]
    own, other = check["important_changes"]["mean"], check["others_changes"]["mean"]
    difference = f"{100 * low:+.0f} to {100 * high:+.0f} points"
    return percent(own, 0), f"{percent(other, 0)} (difference {difference})"


def _listed(names: Sequence[str]) -> str:
    """Returns names in quotation marks, such as '"a", "b" and "c"'."""
    *others, last = (f'"{name}"' for name in names)
    return f"{', '.join(others)} and {last}" if others else last


def _departures(
    run: ViewedRun, env: EpisodicVectorEnv, records: Recorded, most: int, notes: list[str]
) -> dict[str, Any]:
    """Returns `departures` and `tree`; nothing, with a note, where the model has no choice."""
    traces = [trace for trace, _ in records]
    has_choice = any(step.first >= 0 for trace in traces for step in trace.steps)
    if not isinstance(env, LanguageVectorEnv) or not has_choice:
        notes.append("No departures: the model has no choice of its own among these actions.")
        return {}
    tree = fit_tree(traces)
    if tree is None:
        notes.append(f"No tree: {_missing_tree_reason()}.")
    report = departure_report(env, run.policy, records, most, SEED)
    return {"departures": report, "tree": tree}


def _missing_tree_reason() -> str:
    if find_spec("sklearn") is None:
        return "scikit-learn is missing; pip install 'lm_envs[explain]'"
    return "in half of the episodes the agent departs always or never"


def _groups(run: ViewedRun, env: EpisodicVectorEnv, notes: list[str]) -> dict[str, slice]:
    """Returns the groups to attribute to; none, with a note, where there are no Shapley values."""
    groups = observation_groups(env)
    if isinstance(run.agent.policy, LanguageModelPolicy):
        return {}
    if isinstance(run.agent, RecurrentPPO):
        notes.append("No Shapley values: the agent also depends on its recurrent state.")
        return {}
    if not groups:
        notes.append("No Shapley values: the observation has no named groups of columns.")
        return {}
    if isinstance(env.single_action_space, gym.spaces.Box):
        notes.append(CONTINUOUS)
    return groups


def _add_values(
    run: ViewedRun,
    steps: StepArrays,
    groups: dict[str, slice],
    shown: Sequence[dict[str, Any]],
) -> None:
    """Adds Shapley values by group to each step of the shown episodes."""
    own = steps.select(steps.episodes < len(shown))
    background = drawn(
        steps.select(steps.episodes >= len(shown)) if len(shown) <= steps.episodes.max() else steps,
        BACKGROUND,
        np.random.default_rng(SEED),
    )
    values = values_of_steps(run.agent, own, background, groups)
    documents = [step for episode in shown for step in episode["steps"]]
    for number, document in enumerate(documents):
        document["attribution"] = {
            name: float(values[place, number]) for place, name in enumerate(groups)
        }
