"""The model card of an agent: task, reward, curve, commands and versions.

Owns its wording. Reads the files of a run only.
"""

import json
import shlex
from pathlib import Path
from typing import Any

import yaml

from agents.config.train import TrainConfig
from agents.runs.folder import CONFIG, RESULT, read_versions
from lm_envs.model.loading import EMBEDDED

CARD = """---
{header}---
# {name}

A {algorithm} agent for `{env_id}` of [lm_envs](https://pypi.org/project/lm_envs/): it chooses what
the language model `{model}` writes.

## Use

```python
import agents

policy, env = agents.load_from_hub("{repo}")
observations, infos = env.reset(seed=0)
actions = policy(observations)
```

The repository holds no code: `agent.safetensors` has the tensors, `config.yaml` the configuration.

## Results

{results}
{curve}
## Training

{steps:,} environment steps, seed {seed}; `config.yaml` is the whole configuration:

```sh
{command}
```

## Versions

{versions}
"""


def card(run: Path, config: TrainConfig, repo: str, *, step: int, has_curve: bool) -> str:
    """Returns the Markdown of a card.

    Args:
        run: Folder of the run, with its results.
        config: Of the run.
        repo: Address under which the agent is loaded.
        step: Environment steps of the checkpoint.
        has_curve: Whether a picture of the reward is beside the card.
    """
    results, reward = _results(run, config)
    return CARD.format(
        header=yaml.safe_dump(_header(config, reward), sort_keys=False),
        name=config.name,
        algorithm=config.algorithm.name,
        env_id=config.env.id,
        model=config.env.kwargs.get("model", EMBEDDED),
        repo=repo,
        results=results,
        curve="\n![held-out reward over environment steps](reward.png)\n" if has_curve else "",
        steps=step,
        seed=config.seed,
        command=shlex.join(["python", "-m", "agents.train", CONFIG]),
        versions=_versions(run),
    )


def _header(config: TrainConfig, reward: tuple[str, float] | None) -> dict[str, Any]:
    """Returns the metadata that the hub reads; see https://huggingface.co/docs/hub/model-cards."""
    header: dict[str, Any] = {
        "library_name": "lm_envs",
        "tags": ["reinforcement-learning", "lm_envs", config.env.id, config.algorithm.name],
    }
    if reward is not None:
        split, value = reward
        result = {
            "task": {"type": "reinforcement-learning"},
            "dataset": {"name": f"{config.env.id}, {split}", "type": config.env.id},
            "metrics": [{"type": "mean_reward", "value": round(value, 4)}],
        }
        header["model-index"] = [{"name": config.name, "results": [result]}]
    return header


def _results(run: Path, config: TrainConfig) -> tuple[str, tuple[str, float] | None]:
    """Returns a table of the evaluation, or of the end of the training, and split and reward."""
    evaluation = _read_json(run / "evaluation" / "evaluation.json")
    if "policies" in evaluation:
        rows = ["| policy | mean reward | 95 % interval |", "|---|---|---|"]
        for name, scores in evaluation["policies"].items():
            low, high = scores["reward"]["interval"]
            rows.append(f"| {name} | {scores['reward']['mean']:.3f} | {low:.3f} to {high:.3f} |")
        split = evaluation["split"]
        intro = f"{evaluation['prompts']} prompts of the split {split}, `agents.evaluate`:"
        reward = (split, float(evaluation["policies"]["agent"]["reward"]["mean"]))
        return "\n".join([intro, "", *rows, ""]), reward
    result, split = _read_json(run / RESULT), config.evaluation.split
    if "held_out_reward" not in result:
        return "Not evaluated.\n", None
    rewards = {"agent": result["held_out_reward"], **result.get("baselines", {})}
    lines = [f"| {name} | {value:.3f} |" for name, value in rewards.items()]
    intro = f"Mean reward on the split {split} at the end of the training:"
    table = ["| policy | mean reward |", "|---|---|", *lines, ""]
    return "\n".join([intro, "", *table]), (split, float(result["held_out_reward"]))


def _versions(run: Path) -> str:
    plain = {name: value for name, value in read_versions(run).items() if isinstance(value, str)}
    return "\n".join(f"- {name}: {value}" for name, value in plain.items())


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    found = json.loads(path.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}
