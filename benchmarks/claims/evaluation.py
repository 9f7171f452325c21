"""Evaluates one claim on its split, once: the agents of all seeds and every baseline.

Owns the file of an evaluated claim, which is not computed a second time.
"""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluate import evaluate_with_baselines, mbr_name
from agents.evaluation.comparison import AGENT, listed_scores, prompt_scores
from agents.runs.files import write_bytes
from agents.runs.folder import versions
from benchmarks.claims.settings import ClaimConfig
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
    options: dict[str, Any] = {"search": claim.search, "clone": claim.clone}
    options |= {"only": claim.only} if claim.only else {}
    options |= {"mbr": claim.mbr} if claim.mbr else {}
    own = {"split": claim.split, "episodes": claim.episodes, **options}
    names = _names(claim)
    if path.is_file():
        known = _read(path)
        if (known["runs"], known["options"]) == (hashes, own):
            return known | names
    trained = [each / config.folder_name for each, config in zip(folders, configs, strict=True)]
    rollouts, found = evaluate_with_baselines(trained, claim.split, claim.episodes, **options)
    document = {
        **names,
        **{"config": configs[0].model_dump(), "seeds": [config.seed for config in configs]},
        **{"runs": hashes, "options": own, **found},
        **{"versions": versions(), "machine": timing.machine()},
        "prompt_scores": listed_scores(prompt_scores(rollouts)),
    }
    # Without the time in its head, the same document always gives the same bytes.
    write_bytes(path, gzip.compress(json.dumps(document).encode(), mtime=0))
    return document


def read_claim(claim: ClaimConfig, configs: Sequence[TrainConfig], folder: Path) -> dict[str, Any]:
    """Returns the document of a claim that was evaluated before, whatever its runs were.

    Raises:
        UserError: If the folder has no document of the claim.
    """
    path = _path(claim, configs, folder)
    if not path.is_file():
        raise UserError(f"Got no {path}; allowed: a folder with the document of each claim.")
    return _read(path) | _names(claim)


def _names(claim: ClaimConfig) -> dict[str, str]:
    """Returns what the table calls a claim, and the policy that it is about."""
    policy = mbr_name(claim.mbr) if claim.mbr else AGENT
    return {"environment": claim.environment, "agent": claim.agent, "policy": policy}


def _path(claim: ClaimConfig, configs: Sequence[TrainConfig], folder: Path) -> Path:
    suffix = f"-mbr{claim.mbr}" if claim.mbr else ""
    return folder / f"{configs[0].name}{suffix}.json.gz"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(gzip.decompress(path.read_bytes()))
