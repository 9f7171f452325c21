"""`python -m agents.finetune_report RUN...`: what a model that is trained writes, by stage.

Owns the measures of a stage of finetuning, of one run and over several seeds. Trains nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.utils import obs_as_tensor

from agents.config.loading import UserError, reported
from agents.evaluation.bootstrap import mean_interval
from agents.evaluation.rollouts import run_episodes
from agents.language_model.policy import LanguageModelPolicy
from agents.train import inline
from lm_envs.envs.vector_env import LanguageVectorEnv
from lm_envs.transcript import Transcript

Values = dict[str, list[float]]
"""By measure, one value a prompt."""

TEXTS_AT_ONCE = 16
NUM_SAMPLES = 8
STAGES = "stages.jsonl"
"""File of a run: a line for each stage that is over."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage of finetuning that is over.

    Attributes:
        stage: Its name.
        values: Of the texts that the model wrote then, on the same prompts at every stage.
        samples: Prompt, reference, text and reward of the first few, the likeliest words.
    """

    stage: str
    values: Values
    samples: list[dict[str, Any]]

    @property
    def summary(self) -> dict[str, dict[str, Any]]:
        """Mean and 95 % interval over prompts of each measure."""
        return {name: _summary(np.array([each])) for name, each in self.values.items()}


def judge(
    name: str, policy: LanguageModelPolicy, env: LanguageVectorEnv, indices: np.ndarray
) -> Stage:
    """Has the prompts of some examples written on, and measures how."""
    greedy = write_texts(policy, env, indices, greedy=True)
    drawn = write_texts(policy, env, indices, greedy=False)
    return Stage(name, measure(greedy, drawn, policy), [_sample(t) for t in greedy[:NUM_SAMPLES]])


def write_texts(
    policy: LanguageModelPolicy, env: LanguageVectorEnv, indices: np.ndarray, *, greedy: bool
) -> list[Transcript]:
    """One transcript per example, of the likeliest words or of drawn ones."""
    return run_episodes(env, lambda _, seen: policy.predict(seen, deterministic=greedy)[0], indices)


def measure(
    greedy: Sequence[Transcript], drawn: Sequence[Transcript], policy: LanguageModelPolicy
) -> Values:
    """Every score and four more measures of the texts on the same prompts.

    `reward` and the other scores are those of greedy texts, `drawn_reward` and so on of drawn ones.
    `kl` is the divergence from the frozen model, nats per drawn text; `base_logprob` the
    frozen model's mean log-probability of a word in a greedy text, nats, and `drawn_logprob` in a
    drawn one.
    """
    values = {name: [t.scores[name] for t in greedy] for name in ("reward", *greedy[0].scores)}
    values |= {f"drawn_{name}": [t.scores[name] for t in drawn] for name in drawn[0].scores}
    values["kl"] = divergences(policy, drawn).tolist()
    values["base_logprob"] = [float(t.logprobs.mean()) for t in greedy]
    values["drawn_logprob"] = [float(t.logprobs.mean()) for t in drawn]
    return values


@torch.no_grad()
def divergences(policy: LanguageModelPolicy, drawn: Sequence[Transcript]) -> np.ndarray:
    """Log p - log q, nats, of each text that was drawn from the policy p, under the frozen q."""
    parts = [
        _log_probability(policy, drawn[start : start + TEXTS_AT_ONCE])
        for start in range(0, len(drawn), TEXTS_AT_ONCE)
    ]
    return np.concatenate(parts) - [float(t.logprobs.sum()) for t in drawn]


def samples(stages: Sequence[Stage]) -> str:
    """The same prompts at every stage, as Markdown."""
    lines = ["# Held-out samples", "", "The likeliest words at each stage; prompts unselected."]
    for versions in zip(*(stage.samples for stage in stages), strict=True):
        lines += ["", f"**{inline(versions[0]['prompt'])}** …", ""]
        lines.append(f"- *reference*: {inline(versions[0]['reference'])}")
        for stage, sample in zip(stages, versions, strict=True):
            lines.append(f"- {stage.stage} ({sample['reward']:+.3f}): {inline(sample['text'])}")
    return "\n".join(lines) + "\n"


def story(stages: Sequence[Stage], split: str) -> str:
    """A table of the stages for the model card."""
    lines = [f"Greedy texts on prompts of the {split} split; mean and 95 % interval.", ""]
    lines += ["| stage | reward | KL, nats per text | log-probability of a word, nats |"]
    lines += ["| --- | --- | --- | --- |"]
    for stage in stages:
        cells = [_cell(stage.summary[key]) for key in ("reward", "kl", "base_logprob")]
        lines.append(f"| {stage.stage} | {' | '.join(cells)} |")
    return "\n".join(lines)


def read_stages(folder: Path) -> list[Stage]:
    """Stages of a run that are over, in their order.

    Raises:
        UserError: If the folder holds none.
    """
    path = folder / STAGES
    if not path.is_file():
        raise UserError(f"Got {folder}, which holds no {STAGES}; give folders of finished runs.")
    return [Stage(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def over_seeds(folders: Sequence[Path]) -> dict[str, dict[str, dict[str, Any]]]:
    """By stage and measure, over runs: mean, 95 % interval over runs and prompts, extreme runs.

    From the second stage on also `gain`, the mean of what the stage is above the one before on the
    same prompts, and its 95 % interval.

    Raises:
        UserError: If a folder holds no finished run, or the runs have other stages, measures or
            numbers of prompts.
    """
    runs = [{each.stage: each.values for each in read_stages(folder)} for folder in folders]
    shapes = [
        {stage: {name: len(each) for name, each in values.items()} for stage, values in run.items()}
        for run in runs
    ]
    if any(shape != shapes[0] for shape in shapes):
        raise UserError(
            "Got runs of other stages, measures or prompts; give the seeds of one configuration."
        )
    found: dict[str, dict[str, dict[str, Any]]] = {}
    before: dict[str, np.ndarray] = {}
    for stage, measures in runs[0].items():
        values = {name: np.array([run[stage][name] for run in runs]) for name in measures}
        found[stage] = {name: _over_runs(each, before.get(name)) for name, each in values.items()}
        before = values
    return found


def _over_runs(values: np.ndarray, before: np.ndarray | None) -> dict[str, Any]:
    """Of values (S, P), and of what they were on the same prompts a stage earlier."""
    means = values.mean(1)
    found = {**_summary(values), "lowest": float(means.min()), "highest": float(means.max())}
    return found if before is None else {**found, "gain": _summary(values - before)}


def _summary(values: np.ndarray) -> dict[str, Any]:
    return {"mean": float(values.mean()), "interval": mean_interval(values)}


def _sample(transcript: Transcript) -> dict[str, Any]:
    return {
        "prompt": transcript.prompt,
        "reference": transcript.reference,
        "text": transcript.text,
        "reward": transcript.scores["reward"],
    }


def _log_probability(policy: LanguageModelPolicy, texts: Sequence[Transcript]) -> np.ndarray:
    """Log-probability (E,) of what was written in each text."""
    tokens = [np.concatenate([t.prompt_tokens, t.tokens]) for t in texts]
    counts = [len(t.tokens) for t in texts]
    padded = np.zeros((len(texts), max(map(len, tokens))), np.int64)
    for row, ids in enumerate(tokens):
        padded[row, : len(ids)] = ids
    starts = [len(t.prompt_tokens) for t in texts]
    position = np.concatenate([s + np.arange(n) for s, n in zip(starts, counts, strict=True)])
    episode = np.repeat(np.arange(len(texts)), counts)
    seen = {
        "tokens": padded,
        "length": np.array([[len(ids)] for ids in tokens]),
        "episode": episode,
        "position": position,
    }
    words = torch.as_tensor(padded[episode, position], device=policy.device)
    _, logprobs, _ = policy.evaluate_actions(obs_as_tensor(seen, policy.device), words)
    return np.bincount(episode, logprobs.double().cpu().numpy(), len(texts))


def _cell(value: Mapping[str, Any], sign: str = "") -> str:
    low, high = value["interval"]
    return f"{value['mean']:{sign}.3f} ({low:{sign}.3f} … {high:{sign}.3f})"


def _told(value: Mapping[str, Any]) -> str:
    return _cell(value) + (f"\n  {_cell(value['gain'], '+')}" if "gain" in value else "")


def main(
    runs: Annotated[list[Path], typer.Argument(help="folders of agents.finetune, one a seed")],
) -> None:
    """Compares the stages of a configuration over its seeds: a table, then one line of JSON."""
    with reported():
        stages = over_seeds(runs)
        table = Table(title=f"{len(runs)} runs: mean and 95 % interval; gain over the stage before")
        for name in ("measure", *stages):
            table.add_column(name)
        for measured in next(iter(stages.values())):
            table.add_row(measured, *(_told(values[measured]) for values in stages.values()))
        Console().print(table)
        typer.echo(json.dumps({"runs": [str(run) for run in runs], "stages": stages}))


if __name__ == "__main__":
    typer.run(main)
