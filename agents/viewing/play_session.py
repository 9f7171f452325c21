"""A person as the agent: the choices of a step by key, the reward, and what others would have done.

Owns the keys and the order of a turn. Reads keys by a function, so that a test or a pipe can play.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from agents.evaluation.baselines import UNCHANGED, untrained
from agents.viewing import wording
from agents.viewing.candidates import Offer, offers, token_text, written_token
from agents.viewing.policies import Decision, ViewedPolicy, viewed_baseline
from agents.viewing.recorder import StepRecorder, record
from agents.viewing.terminal_view import bar, image_view, text_view
from agents.viewing.trace import Candidate, EpisodeTrace
from lm_envs.envs.base import EpisodicVectorEnv
from lm_envs.envs.rows import Observations
from lm_envs.envs.tuning.base import TuningVectorEnv
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.rendering import printable

KEYS = "123456789abcdefghijklmnoprstuvwxyz"
"""Keys of the choices: "q" is missing, because it quits."""

QUIT, HINT = "q", "?"
YOU = "you"


class Quit(Exception):  # noqa: N818 - a wish, not an error
    """The person has quit, or the input has ended."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a key does: its text, the model's log-probability or NaN, and the actions (1, ...)."""

    text: str
    logprob: float
    actions: np.ndarray


class PlaySession:
    """Lets a person play episodes, and others the same ones.

    Args:
        env: One row, in autoreset mode DISABLED.
        opponents: Policies that play the same examples; the first is the untrained model.
        console: Of `rich`.
        read_key: Returns the next key; "" at the end of the input.

    Attributes:
        rewards: Reward of each finished episode by player.
    """

    def __init__(
        self,
        env: EpisodicVectorEnv,
        opponents: Sequence[ViewedPolicy],
        console: Console,
        read_key: Callable[[], str],
    ) -> None:
        self._env, self._opponents = env, opponents
        self._console, self._read_key = console, read_key
        self.rewards: dict[str, list[float]] = {YOU: [], **{each.name: [] for each in opponents}}

    def play(self, indices: Sequence[int] | np.ndarray) -> None:
        """Plays the examples, until the person quits; then shows the comparison."""
        try:
            for number, index in enumerate(indices, start=1):
                self._console.print(
                    Text(f"\nepisode {number} of {len(indices)}, example {index}", style="bold")
                )
                self._play_one(int(index))
        except Quit:
            self._console.print(Text("You have quit; the unfinished episode does not count."))
        if self.rewards[YOU]:
            self._console.print(self.comparison())

    def comparison(self) -> Table:
        """Returns the rewards of all players by episode, and their means."""
        table = Table(title="rewards on the same examples", title_justify="left")
        table.add_column("episode")
        for name in self.rewards:
            table.add_column(Text(name), justify="right")
        for number, values in enumerate(zip(*self.rewards.values(), strict=True), start=1):
            table.add_row(str(number), *map(wording.signed, values))
        table.add_section()
        means = [wording.signed(float(np.mean(values))) for values in self.rewards.values()]
        table.add_row("mean", *means, style="bold")
        return table

    def _play_one(self, index: int) -> None:
        env = self._env
        observations, _ = env.reset(options={"index": [index]})
        recorder, is_over = StepRecorder(env, 0), False
        person = ViewedPolicy(YOU, None, lambda env, seen: Decision(np.zeros(1)))
        if (image := recorder.trace(index, person).transcript.image) is not None:
            self._console.print(image_view(image, self._console))
        while not is_over:
            self._console.print(text_view(recorder.trace(index, person), len(recorder.steps)))
            offer = offers(env)[0]
            choices = _choices(env, offer)
            hints = self._hints(observations, offer)
            chosen = self._ask(choices, hints)
            recorder.begin_step(offer, Decision(chosen.actions))
            observations, rewards, terminated, truncated, infos = env.step(chosen.actions)
            is_over = bool((terminated | truncated)[0])
            recorder.end_step(float(rewards[0]), infos, is_over=is_over)
            step = replace(recorder.steps[-1], value=None)
            self._console.print(Text(printable(wording.numbers_text(step))))
            self._show(hints, "would have chosen")
        self._finish(recorder.trace(index, person), index)

    def _finish(self, own: EpisodeTrace, index: int) -> None:
        """Lets the others play the example, and shows all texts."""
        traces = [own, *(record(self._env, each, [index])[0] for each in self._opponents)]
        grid = Table.grid(padding=(0, 2))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for trace in traces:
            self.rewards[trace.policy].append(trace.reward)
            grid.add_row(Text(f"{trace.policy} {wording.signed(trace.reward)}"), _whole_text(trace))
        if reference := traces[0].transcript.reference:
            grid.add_row("reference", Text(printable(reference), style="italic"))
        self._console.print()
        self._console.print(grid)

    def _hints(self, observations: Observations, offer: Offer) -> dict[str, str]:
        """Returns what each of the others would do now; all have to be asked at every step."""
        decisions = {each.name: each.decide(self._env, observations) for each in self._opponents}
        return {n: _action_text(self._env, offer, each.actions) for n, each in decisions.items()}

    def _show(self, hints: Mapping[str, str], verb: str) -> None:
        for name, text in hints.items():
            player = "the unchanged model" if name == UNCHANGED else name
            shown = wording.candidate_text(Candidate(text))
            self._console.print(Text(f"{player} {verb}: {shown}", style="italic"))

    def _ask(self, choices: Sequence[Choice], hints: Mapping[str, str]) -> Choice:
        self._console.print(_menu(choices))
        while True:
            self._console.print(Text(f"key, {HINT} for a hint, {QUIT} to quit: "), end="")
            key = self._read_key()
            self._console.print(Text(printable(key)))
            if key in ("", QUIT):
                raise Quit
            if key == HINT:
                self._show(hints, "would choose")
            elif len(key) == 1 and key in KEYS[: len(choices)]:
                return choices[KEYS.index(key)]
            else:
                allowed = f"{KEYS[0]} to {KEYS[len(choices) - 1]}, {HINT}, {QUIT}"
                self._console.print(Text(f"Got {printable(key)[:20]!r}; allowed: {allowed}."))


def opponents_for(env: EpisodicVectorEnv, agent: ViewedPolicy | None) -> list[ViewedPolicy]:
    """Returns the untrained model, and the agent of a run if there is one."""
    name, policy = untrained(env)
    return [viewed_baseline(name, policy), *([agent] if agent else [])]


def _choices(env: EpisodicVectorEnv, offer: Offer) -> list[Choice]:
    """Returns what can be done now, as many as there are keys, the likeliest first."""
    if len(offer.actions):
        places = [place for place in _ordered(offer) if offer.is_allowed[place]]
        make = partial(_listed, env, offer)
    elif offer.texts:  # continuous actions that stand for ranked candidates
        places = [place for place in range(len(offer.texts)) if offer.is_allowed[place]]
        make = partial(_ranked, env, offer)
    else:
        assert isinstance(env, TuningVectorEnv)
        return _settings(env.tuner.action_names)[: len(KEYS)]
    return [make(place) for place in places[: len(KEYS)]]


def _settings(names: Sequence[str]) -> list[Choice]:
    """Returns continuous actions that a key can stand for: no setting, or all of a single one."""
    none = np.zeros(len(names), np.float32)
    one = np.eye(len(names), dtype=np.float32)
    points = [none, *(sign * own for own in one for sign in (1, -1))]
    return [Choice(_point_text(names, point), np.nan, point[None]) for point in points]


def _point_text(names: Sequence[str], point: np.ndarray) -> str:
    """Returns the settings of a continuous action (K,) that are not 0 with two decimals."""
    pairs = zip(names, point.tolist(), strict=True)
    chosen = {name: value for name, value in pairs if round(value, 2)}
    return wording.settings_text(chosen) or "every setting 0"


def _action_text(env: EpisodicVectorEnv, offer: Offer, actions: np.ndarray) -> str:
    """Returns what an action (1, ...) of a policy chooses."""
    if isinstance(env, TuningVectorEnv) and not offer.texts:
        return _point_text(env.tuner.action_names, actions[0])
    place = offer.position(actions[0]) if np.ndim(actions[0]) == 0 else -1
    if place >= 0:
        return offer.texts[place]
    assert isinstance(env, LanguageVectorEnv)
    token = written_token(env, actions, 0)
    return "" if token is None else token_text(env, token)


def _listed(env: EpisodicVectorEnv, offer: Offer, place: int) -> Choice:
    actions = np.array([offer.actions[place]])
    return Choice(offer.texts[place], float(offer.logprobs[place]), actions)


def _ranked(env: Any, offer: Offer, place: int) -> Choice:  # noqa: ANN401 - it has ranks
    actions = env.actions_for_ranks(np.array([place]))
    return Choice(offer.texts[place], float(offer.logprobs[place]), actions)


def _ordered(offer: Offer) -> list[int]:
    worth = np.where(np.isnan(offer.logprobs), 0.0, offer.logprobs)
    return np.argsort(-worth, kind="stable").tolist()


def _menu(choices: Sequence[Choice]) -> Table:
    table = Table(box=None, padding=(0, 1), show_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("choice", overflow="fold")
    has_model = any(np.isfinite(each.logprob) for each in choices)
    lines = any(" " in each.text.strip() for each in choices)
    if has_model:
        name = wording.LINE_MODEL if lines else "model"
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column("", no_wrap=True)
    for key, choice in zip(KEYS, choices, strict=False):
        candidate = Candidate(choice.text, choice.logprob if has_model else None)
        cells: list[Any] = [key, Text(wording.candidate_text(candidate))]
        if has_model:
            cells.append(wording.model_text(candidate, is_line=lines))
            cells.append(bar(wording.model_share(candidate)))
        table.add_row(*cells)
    return table


def _whole_text(trace: EpisodeTrace) -> Text:
    text = text_view(trace, len(trace.steps))
    text.rstrip()  # descriptions of settings end with a line end
    return text
