"""Four translations, of which two are held out, for choices among drafts."""

import json

import pytest

from agents.baselines.families import Environments
from tests.agents.finished_run import CONFIG, changed

COPIES = {"kind": "top_k", "k": 8, "copies": 8}
ROWS = [
    ("open the red door", "ouvre la porte rouge", "train"),
    ("close the file now", "ferme le fichier", "train"),
    ("open the red doors", "ouvre les portes", "validation"),
    ("something else that is asked", "autre chose", "validation"),
]


@pytest.fixture
def environments(tmp_path):
    def make(**kwargs):
        path = tmp_path / "pairs.jsonl"
        names = ("source", "target", "split")
        rows = [dict(zip(names, row, strict=True)) | {"pair": "en-fr"} for row in ROWS]
        path.write_text("\n".join(map(json.dumps, rows)))
        options = {"dataset": str(path), "prompt_tokens": 90, "max_new_tokens": 12}
        env = {"id": "lm_envs/Translation-v0", "n_envs": 4, "split": "train"}
        env["kwargs"] = {**options, "actions": COPIES, **kwargs}
        return Environments(changed(env=CONFIG.env.model_validate(env)))

    return make
