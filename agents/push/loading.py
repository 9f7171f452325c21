"""Agents and models from a hub.

Owns what is fetched: the files of an agent, or those of a model, all without code.
"""

from pathlib import Path

from agents.config.imports import import_for_run
from agents.config.loading import UserError
from agents.push import agent_files, hub
from agents.push.model_files import MODEL_FILES
from agents.runs.finished import LoadedPolicy, LoadedRun, make_held_out_env
from agents.runs.folder import CONFIG, read_config
from lm_envs.model.weight_files import WEIGHTS


def load_from_hub(
    repo: str,
    *,
    split: str | None = None,
    num_envs: int = 1,
    revision: str | None = None,
    trust_imports: bool = False,
) -> LoadedRun:
    """Returns the policy of an agent that `agents.push` sent, and an environment.

    Args:
        repo: "user/name" on the Hugging Face Hub, or a folder such as ./hub/name.
        split: Split of the environment's examples; None for that of the run's evaluations.
        num_envs: Rows of the environment.
        revision: Branch, tag or commit on the hub; None for the newest.
        trust_imports: Whether the configuration may import modules; see `check_trusted`.

    Raises:
        UserError: If there is no such agent, its files are damaged, or its configuration imports
            modules without `trust_imports`.
    """
    folder = hub.receive(repo, agent_files.FILES, revision)
    for name in (CONFIG, agent_files.TENSORS):
        if not (folder / name).is_file():
            raise UserError(
                f"Got {repo}, which has no {name}; allowed: an agent that agents.push sent. A "
                "model is loaded by agents.model_from_hub."
            )
    config = read_config(folder)
    import_for_run(config, trusted=trust_imports)
    agent = agent_files.read_agent(folder, config)
    env = make_held_out_env(config, split or config.evaluation.split, num_envs)
    return LoadedRun(LoadedPolicy(agent, env), env)


def model_from_hub(repo: str, *, revision: str | None = None) -> Path:
    """Returns the folder of a model that `agents.push` sent, for `model=` of an environment.

    Args:
        repo: As in `load_from_hub`.
        revision: As in `load_from_hub`.

    Raises:
        UserError: If there is no such model.
    """
    folder = hub.receive(repo, MODEL_FILES, revision)
    if not (folder / WEIGHTS).is_file():
        raise UserError(
            f"Got {repo}, which has no {WEIGHTS}; allowed: a model that agents.push sent. An agent "
            "is loaded by agents.load_from_hub."
        )
    return folder
