"""Pairs of completions to rate: of a trained agent and the model, or two samples of a model.

Owns which policies write the two texts, and which prompts. Knows nothing of raters or stores.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

import lm_envs
from agents.config.env_ids import check_env_id
from agents.config.loading import UserError
from agents.evaluation.baselines import Policy, random_actions, sampling
from agents.evaluation.rollouts import agent_policy, evenly_spaced_indices
from agents.runs.folder import CONFIG
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.rendering import text_with_replies
from lm_envs.tasks.ratings import RatedText
from lm_envs.tasks.ratings.rating import normalized
from lm_envs.transcript import Transcript

if TYPE_CHECKING:
    from agents.viewing.runs import ViewedRun

gym.register_envs(lm_envs)

DEFAULT_ID = "lm_envs/NextWord-v0"
MOST_ROWS = 32
ROUNDS = 4
"""Times that pairs of equal texts are drawn anew."""

LARGEST_FILE = 10_000_000
"""Bytes of a file of prompts."""

RatedPair = tuple[RatedText, RatedText]


@dataclass(frozen=True, slots=True)
class Writers:
    """An environment and the two policies that write in it.

    Attributes:
        env: In autoreset mode DISABLED.
        policies: By the name that is stored as the source of their texts.
        prompts: A caller's own; None for the environment's examples.
    """

    env: LanguageVectorEnv
    policies: tuple[tuple[str, Policy], tuple[str, Policy]]
    prompts: tuple[str, ...] | None


def is_run(source: str) -> bool:
    """Returns whether a name is a run folder of `agents.train` or `agents.finetune`."""
    return (Path(source) / CONFIG).is_file()


@dataclass(frozen=True, slots=True)
class TextSource:
    """What texts are rated of.

    Attributes:
        name: Run folder, or model, as given.
        run: The run; None for a model.
    """

    name: str
    run: "ViewedRun | None" = None

    @property
    def model(self) -> str:
        """Name of the model that writes, or that the run's agent steers."""
        if self.run is None:
            return self.name
        return str(self.run.config.env.kwargs.get("model", "embedded"))


def load_source(name: str, checkpoint: str = "last", *, trust_imports: bool = False) -> TextSource:
    """Returns a run with its agent, or a model that is loaded later.

    Args:
        name: Run folder, or a model as for `model=` of an environment.
        checkpoint: Of a run, "last" or "best".
        trust_imports: Whether a run's configuration may import modules.

    Raises:
        UserError: If the run cannot be loaded.
    """
    if not is_run(name):
        return TextSource(name)
    # Imported here: fine-tuning needs transformers, whose import takes seconds, and texts of a
    # model do not.
    from agents.viewing.runs import load_run

    return TextSource(name, load_run(Path(name), checkpoint, trust_imports=trust_imports))


def make_writers(source: TextSource, prompts: str | None, count: int, *, seed: int = 0) -> Writers:
    """Returns what writes `count` pairs: agent and model for a run, two samples for a model.

    Args:
        source: Of the texts.
        prompts: File of prompts, or an environment id; None for the run's own, or NextWord.
        count: Of pairs.
        seed: Of the samples.

    Raises:
        UserError: If the prompts cannot be read, or the run writes no text.
        ValueError: If there is no such model.
    """
    is_file = prompts is not None and Path(prompts).is_file()
    own = read_prompts(Path(str(prompts))) if is_file else None
    rows, name = min(MOST_ROWS, count), None if is_file else prompts
    if (run := source.run) is not None:
        if name is not None:
            raise UserError(
                f"Got --prompts {name!r} for a run; allowed: a file that exists, or none for the "
                f"run's own prompts of {run.config.env.id}."
            )
        env: Any = run.environment(run.config.evaluation.split, rows)
        first = (run.config.name, agent_policy(run.agent))
    else:
        env = _model_env(source.name, name or DEFAULT_ID, rows)
        first = ("model", _samples(env, seed + 1))
    if not isinstance(env, LanguageVectorEnv):
        raise UserError(f"Got {source.name}, which writes no text; allowed: runs that write text.")
    return Writers(env, (first, ("model", _samples(env, seed))), own)


def pairs(writers: Writers, count: int, seed: int = 0) -> list[RatedPair]:
    """Returns up to `count` pairs of different texts; each prompt once before any comes again.

    Args:
        writers: What writes.
        count: Of pairs; fewer are returned where the two texts are often equal.
        seed: Of the order of the prompts.
    """
    found: dict[frozenset[str], RatedPair] = {}
    for options in _chunks(writers, count * ROUNDS, seed):
        texts = [
            [_rated(transcript, name) for transcript in complete(writers.env, policy, options)]
            for name, policy in writers.policies
        ]
        for first, second in zip(*texts, strict=True):
            if first.text != second.text and first.text and second.text:
                found.setdefault(
                    frozenset((first.text, second.text, first.prompt)), (first, second)
                )
        if len(found) >= count:
            break
    return list(found.values())[:count]


def complete(
    env: LanguageVectorEnv, policy: Policy, options: Mapping[str, Sequence[Any]]
) -> list[Transcript]:
    """Returns one episode of each row, started by reset options with one value a row.

    Args:
        env: In autoreset mode DISABLED.
        policy: Called with the observations of all rows.
        options: `index` or `prompt`.
    """
    observations, _ = env.reset(options=dict(options))
    found: list[Transcript | None] = [None] * env.num_envs
    while True:
        observations, _, terminated, truncated, _ = env.step(policy(env, observations))
        is_over = terminated | truncated
        for row in np.flatnonzero(is_over).tolist():
            found[row] = found[row] or env.transcript(row)
        whole = [transcript for transcript in found if transcript is not None]
        if len(whole) == env.num_envs:
            return whole
        if is_over.any():  # rows that are over have to run on: their texts are dropped
            observations, _ = env.reset(options={**options, "reset_mask": is_over})


def read_prompts(path: Path) -> tuple[str, ...]:
    """Returns prompts of a file: the field "prompt" of JSONL, or else one line each.

    Raises:
        UserError: If the file is too large, not UTF-8, without prompts, or malformed.
    """
    if path.stat().st_size > LARGEST_FILE:
        raise UserError(f"Got {path} of more than {LARGEST_FILE} bytes; use a smaller file.")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        if path.suffix == ".jsonl":
            lines = [json.loads(line)["prompt"] for line in lines if line.strip()]
        found = tuple(dict.fromkeys(line.rstrip("\r") for line in lines if line.strip()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(
            f"Got {path}, which cannot be read ({type(error).__name__}); allowed: UTF-8 with a "
            'prompt on each line, or .jsonl with {"prompt": "…"} on each line.'
        ) from None
    if not found:
        raise UserError(f"Got {path} without prompts; allowed: one or more.")
    return found


def _model_env(model: str, env_id: str, rows: int) -> object:
    try:
        check_env_id(env_id)
    except ValueError as error:
        raise UserError(f"Got --prompts {env_id!r}, neither a file nor an id; {error}") from None
    mode = gym.vector.AutoresetMode.DISABLED
    kwargs: dict[str, Any] = {"model": model, "split": "validation"}
    return gym.make_vec(env_id, num_envs=rows, autoreset_mode=mode, **kwargs).unwrapped


def _samples(env: object, seed: int) -> Policy:
    """Returns a policy that samples from the model, or random valid actions without ranks."""
    is_ranked = isinstance(env, LanguageVectorEnv) and env.actions.is_ranked
    return sampling(1.0, seed) if is_ranked else random_actions(seed)


def _chunks(writers: Writers, count: int, seed: int) -> Iterator[dict[str, list[Any]]]:
    """Yields reset options: all prompts in a random order, again and again, `count` in all."""
    env, rng = writers.env, np.random.default_rng(seed)
    name = "index" if writers.prompts is None else "prompt"
    values: list[Any] = list(writers.prompts or ())
    if writers.prompts is None:
        values = evenly_spaced_indices(env.num_examples, count).tolist()
    order: list[Any] = []
    for _ in range(-(-count // env.num_envs)):
        while len(order) < env.num_envs:
            order += [values[place] for place in rng.permutation(len(values))]
        yield {name: order[: env.num_envs]}
        order = order[env.num_envs :]


def _rated(transcript: Transcript, source: str) -> RatedText:
    shown = text_with_replies(transcript) if transcript.replies else _joined(transcript)
    ids = (tuple(transcript.prompt_tokens.tolist()), tuple(transcript.tokens.tolist()))
    return RatedText(transcript.prompt, normalized(transcript.text), *ids, source, shown)


def _joined(transcript: Transcript) -> str:
    """Returns a text that completes the prompt's last word, with that word; else an empty text.

    A rater could not see otherwise that "ing to the people" follows "belong" without a space.
    """
    if transcript.text[:1].isalnum() and transcript.prompt[-1:].isalnum():
        return f"…{transcript.prompt.split()[-1]}{transcript.text.rstrip()}"
    return ""
