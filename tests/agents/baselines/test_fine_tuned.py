"""Baselines that write by a fine-tuned copy of the environment's model."""

import shutil

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from agents.baselines.families import Environments, tuned
from agents.baselines.selection import requested_families
from agents.config.loading import UserError
from lm_envs.model import loading
from tests.agents.finished_run import CONFIG, changed

PROMPTS = np.arange(6)
GREEDY, MINIMUM_RISK = "greedy, fine-tuned", "minimum Bayes risk of 16, fine-tuned"


@pytest.fixture(scope="module")
def other_model(tmp_path_factory):
    """The embedded model with its last block turned upside down."""
    folder = tmp_path_factory.mktemp("other") / "model"
    shutil.copytree(loading.locate(loading.EMBEDDED), folder)
    weights = load_file(folder / "model.safetensors")
    changed_name = next(name for name in reversed(sorted(weights)) if "mlp.c_proj.weight" in name)
    weights[changed_name] = -weights[changed_name]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    return folder


def env_with(**kwargs):
    return CONFIG.env.model_copy(update={"kwargs": {**CONFIG.env.kwargs, **kwargs}})


def greedy_texts(environments, name, **options):
    families = requested_families(environments, "validation", only=[name], **options)
    written = families[0].run(environments, "validation", PROMPTS, None, 0)
    return [each.text for each in written]


def test_a_copy_with_the_same_weights_writes_the_same_and_another_model_does_not(other_model):
    environments = Environments(CONFIG)
    same = loading.locate(loading.EMBEDDED)
    base = greedy_texts(environments, "greedy")
    assert greedy_texts(environments, GREEDY, fine_tuned=same) == base
    by_other = greedy_texts(environments, GREEDY, fine_tuned=other_model)
    assert by_other != base
    acting = Environments(changed(env=env_with(model=str(other_model))))
    assert by_other == greedy_texts(acting, "greedy")


def test_drafts_are_searched_only_if_searches_are_requested(other_model):
    environments = Environments(CONFIG)
    names = {
        search: [
            each.name
            for each in requested_families(
                environments, "validation", search=search, fine_tuned=other_model
            )
            if each.name.endswith("fine-tuned")
        ]
        for search in (False, True)
    }
    assert names == {False: [GREEDY], True: [GREEDY, MINIMUM_RISK]}
    without = requested_families(environments, "validation", search=True)
    assert not [each.name for each in without if each.name.endswith("fine-tuned")]


def test_its_drafts_are_those_of_the_fine_tuned_model(other_model):
    environments = Environments(CONFIG)
    only = {"search": True, "only": [MINIMUM_RISK], "fine_tuned": other_model}
    (family,) = requested_families(environments, "validation", **only)
    best = tuned(family, environments, "train", PROMPTS[:2])
    found = family.run(environments, "validation", PROMPTS, best.setting, 1)
    acting = Environments(changed(env=env_with(model=str(other_model))))
    options = {"search": True, "only": ["minimum Bayes risk of 16"]}
    (expected,) = requested_families(acting, "validation", **options)
    texts = expected.run(acting, "validation", PROMPTS, best.setting, 1)
    assert [each.text for each in found] == [each.text for each in texts]


def test_a_missing_folder_and_an_environment_without_tokens_are_refused(tmp_path, other_model):
    with pytest.raises(UserError, match="no folder; allowed: the folder of a model"):
        requested_families(Environments(CONFIG), "validation", fine_tuned=tmp_path / "none")
    tuning = changed(env=CONFIG.env.model_validate({"id": "lm_envs/WeightTuning-v0", "n_envs": 2}))
    with pytest.raises(UserError, match="environments that write text token by token"):
        requested_families(Environments(tuning), "validation", fine_tuned=other_model)
