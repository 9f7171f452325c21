import json

import numpy as np
import pytest

from agents.baselines.drafts.memory import DRAFTS, NAME, WEIGHTS
from agents.baselines.families import Environments
from agents.baselines.searches import MINIMUM_RISK, searches
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


def family(environments, name):
    return next(each for each in searches(environments, "validation") if each.name == name)


def texts(environments, name, setting):
    found = family(environments, name).run(environments, "validation", np.arange(2), setting, 0)
    return [each.text.strip() for each in found]


def test_the_memory_is_taken_where_its_example_is_similar_and_drafts_elsewhere(environments):
    made = environments(shots=1)
    drafts = texts(made, MINIMUM_RISK, list(DRAFTS))
    assert texts(made, NAME, [0.9, WEIGHTS[-1]]) == ["ouvre la porte rouge", drafts[1]]
    assert texts(made, NAME, [1.0, WEIGHTS[-1]]) == drafts
    assert drafts[0] != "ouvre la porte rouge"


def test_settings_share_the_drafts_of_a_seed(environments):
    made = environments(shots=1)
    run = family(made, NAME).run
    first = run(made, "validation", np.arange(2), [1.0, 2.0], 0)
    again = run(made, "validation", np.arange(2), [1.0, 4.0], 0)
    assert all(each is other for each, other in zip(first, again, strict=True))


def test_prompts_without_solved_examples_have_no_such_search(environments):
    assert NAME not in {each.name for each in searches(environments(), "validation")}
