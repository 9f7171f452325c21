"""Evaluates one claim on its split, once: the agents of all seeds and every baseline.

Owns the file of an evaluated claim, which is not computed a second time. A claim about the most
typical of several texts takes the baselines from the claim about one text, where that has them.
"""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.baselines.suite import SEEDS
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluate import evaluate_agents, evaluate_with_baselines, mbr_name
from agents.evaluation.comparison import AGENT, listed_scores, prompt_scores
from agents.language_model.finetuning import MODEL
from agents.runs.files import write_bytes
from agents.runs.folder import versions
from benchmarks.claims.settings import ClaimConfig, fine_tuning
from benchmarks.harness import timing
from benchmarks.learning.sweep import run_folder


def evaluate_claim(
    claim: ClaimConfig, configs: Sequence[TrainConfig], runs: Path, target: Path
) -> dict[str, Any]:
    """Returns the document of a claim; reads it from its file if the same runs were evaluated.

    Args:
        claim: The claim.
        configs: Of its finished runs, one for each seed.
        runs: Parent folder of the runs.
        target: Folder of the documents, `<name of the runs>.json.gz` or `…-mbr<N>.json.gz`.

    Returns:
        `environment`, `agent`, `policy`, `config`, `seeds`, `split`, `runs`, their hashes;
        `baselines`, the settings and the strongest; `prompt_scores` by policy, score, seed and
        prompt; `machine`.
    """
    folders = [run_folder(config, runs) for config in configs]
    hashes = [folder.name for folder in folders]
    path = _path(claim, configs, target)
    names, own = _names(claim), _options(claim)
    if path.is_file():
        known = _read(path)
        if (known["runs"], known["options"]) == (hashes, own):
            return known | names
    trained = [each / config.folder_name for each, config in zip(folders, configs, strict=True)]
    one_text = _one_text(claim, configs, hashes, target)
    if one_text is not None:
        agents = evaluate_agents(trained, claim.split, claim.episodes, claim.mbr)
        document = one_text | {"config": configs[0].model_dump()}
        document["prompt_scores"] |= listed_scores(prompt_scores(agents))
    else:
        rollouts, found = evaluate_with_baselines(trained, **own | _fine_tuned(claim, runs))
        document = {"config": configs[0].model_dump(), **found}
        document["prompt_scores"] = listed_scores(prompt_scores(rollouts))
    document |= {**names, "seeds": [config.seed for config in configs], "runs": hashes}
    document |= {"options": own, "versions": versions(), "machine": timing.machine()}
    # Without the time in its head, the same document always gives the same bytes.
    write_bytes(path, gzip.compress(json.dumps(document).encode(), mtime=0))
    return document


def _one_text(
    claim: ClaimConfig, configs: Sequence[TrainConfig], hashes: Sequence[str], folder: Path
) -> dict[str, Any] | None:
    """Returns the document of the same claim about one text, if it has the same baselines.

    None for a claim that is about one text itself.
    """
    single = claim.model_copy(update={"mbr": 0})
    path = _path(single, configs, folder)
    if not claim.mbr or not path.is_file():
        return None
    known = _read(path)
    is_same = known["options"] == _options(single) and set(hashes) <= set(known["runs"])
    return known if is_same else None


def read_claims(
    claims: Sequence[tuple[ClaimConfig, Sequence[TrainConfig]]], folder: Path
) -> tuple[list[dict[str, Any]], list[str]]:
    """Returns the documents of claims that were evaluated before, whatever their runs were.

    Args:
        claims: Each with the configurations of its runs.
        folder: Of the documents.

    Returns:
        The documents, and the names of the claims without one.

    Raises:
        UserError: If the folder has no document at all.
    """
    paths = [_path(claim, configs, folder) for claim, configs in claims]
    missing = [path.name.removesuffix(".json.gz") for path in paths if not path.is_file()]
    if len(missing) == len(paths):
        raise UserError(
            f"Got {folder} without {paths[0].name}; allowed: a folder with documents of claims."
        )
    found = zip(claims, paths, strict=True)
    return [_read(path) | _names(claim) for (claim, _), path in found if path.is_file()], missing


def _options(claim: ClaimConfig) -> dict[str, Any]:
    """Returns what is evaluated, as `evaluate_with_baselines` takes it."""
    options: dict[str, Any] = {"split": claim.split, "episodes": claim.episodes}
    options |= {"search": claim.search, "clone": claim.clone}
    options |= {"only": claim.only} if claim.only else {}
    options |= {"fine_tuned": claim.fine_tuned} if claim.fine_tuned else {}
    options |= {"draws": claim.draws} if claim.draws < len(SEEDS) else {}
    return options | ({"mbr": claim.mbr} if claim.mbr else {})


def _fine_tuned(claim: ClaimConfig, runs: Path) -> dict[str, Any]:
    """Returns the option of `evaluate_with_baselines` that names the fine-tuned model, if any."""
    config = fine_tuning(claim)
    if config is None:
        return {}
    return {"fine_tuned": run_folder(config, runs) / config.folder_name / MODEL}


def _names(claim: ClaimConfig) -> dict[str, str]:
    """Returns what the table calls a claim, and the policy that it is about."""
    policy = mbr_name(claim.mbr) if claim.mbr else AGENT
    return {"environment": claim.environment, "agent": claim.agent, "policy": policy}


def _path(claim: ClaimConfig, configs: Sequence[TrainConfig], folder: Path) -> Path:
    suffix = f"-mbr{claim.mbr}" if claim.mbr else ""
    return folder / f"{configs[0].name}{suffix}.json.gz"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(gzip.decompress(path.read_bytes()))
