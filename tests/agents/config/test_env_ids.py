import gymnasium as gym
import pytest

import lm_envs
from agents.config.env_ids import check_env_id, check_form, has_oracle, training_arguments
from lm_envs.envs.ids.next_word import NextWordVectorEnv


def test_ids_of_this_library_are_accepted():
    for env_id in ("lm_envs/NextWord-v0", "lm_envs/StructureSearch-v0"):
        check_env_id(env_id)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "lm_envs/NextWrd-v0"])
def test_other_ids_are_refused_with_a_list(env_id):
    with pytest.raises(ValueError, match="allowed: lm_envs/NextWord-v0, "):
        check_env_id(env_id)


def test_a_class_registered_directly_is_accepted():
    gym.register("here/Words-v0", vector_entry_point=NextWordVectorEnv)
    try:
        check_env_id("here/Words-v0")
    finally:
        del gym.registry["here/Words-v0"]


def test_environments_that_write_text_or_search_structures_have_an_oracle():
    names = ("NextWord", "Dialogue", "StructureSearch", "WeightTuning", "TrainingControl")
    found = {name: has_oracle(f"lm_envs/{name}-v0") for name in names}
    assert [name for name in names if not found[name]] == ["WeightTuning", "TrainingControl"]


def test_a_stride_is_for_training_alone_in_live_subtitles_only():
    """Regression: a foreign task with an argument of this name lost it in evaluations."""
    lm_envs.register("here/Strides-v0", task="next_word")
    try:
        found = {
            env_id: sorted(training_arguments(env_id))
            for env_id in ("lm_envs/LiveSubtitles-v0", "lm_envs/WeightTuning-v0", "here/Strides-v0")
        }
    finally:
        del gym.registry["here/Strides-v0"]
    assert found == {
        "lm_envs/LiveSubtitles-v0": ["gamma", "group_size", "stride"],
        "lm_envs/WeightTuning-v0": ["gamma", "group_size"],
        "here/Strides-v0": ["gamma", "group_size"],
    }


@pytest.mark.parametrize("env_id", ["os:Thing-v0", "a/b/c-v0", "", "a b-v0"])
def test_ids_that_import_a_module_or_are_malformed_are_refused(env_id):
    """Gymnasium imports the module before the colon of an id."""
    with pytest.raises(ValueError, match="allowed: namespace/Name-v0"):
        check_form(env_id)
