"""The contract test finds nothing in our environments, and finds what is broken."""

import pytest

import lm_envs
from lm_envs.envs.actions import TopKActions
from lm_envs.testing import check_environment

SMALL = {
    "lm_envs/NextWord-v0": {"max_new_tokens": 5},
    "lm_envs/Paraphrase-v0": {"actions": "choices"},
    "lm_envs/QuestionAnswering-v0": {"actions": {"kind": "top_k", "k": 4, "copies": 4}},
    "lm_envs/KnowledgeGraphQA-v0": {},
    "lm_envs/Translation-v0": {"mode": "simultaneous", "actions": "read_write"},
    "lm_envs/Classification-v0": {"observation": "tokens"},
    "lm_envs/Dialogue-v0": {},
    "lm_envs/LiveSubtitles-v0": {"spoken_words": 6},
    "lm_envs/StructureSearch-v0": {"passages": 4, "adjustments": 3},
    "lm_envs/CacheEviction-v0": {"cache_size": 12, "adjustments": 3},
}


@pytest.mark.parametrize("env_id", SMALL)
def test_environments_of_the_library_hold_the_contract(env_id):
    check_environment(env_id, steps=12, **SMALL[env_id])


class Contagious(TopKActions):
    """A kind that breaks the contract: a row's token depends on the number of rows."""

    def to_tokens(self, actions, outputs, rows):
        return super().to_tokens((actions + len(actions)) % 16, outputs, rows)


def test_a_kind_whose_rows_depend_on_the_batch_is_found():
    lm_envs.register("test/Contagious-v0", task="next_word", actions=Contagious)
    with pytest.raises(AssertionError, match="a row may depend on its own text and generator only"):
        check_environment("test/Contagious-v0", steps=12)


class Forgetful(TopKActions):
    """A kind that breaks the contract: it counts its own steps, which no state holds."""

    calls = 0

    def to_tokens(self, actions, outputs, rows):
        self.calls += 1
        return super().to_tokens((actions + self.calls) % 16, outputs, rows)


def test_a_kind_with_hidden_state_is_found():
    lm_envs.register("test/Forgetful-v0", task="next_word", actions=Forgetful)
    with pytest.raises(AssertionError):
        check_environment("test/Forgetful-v0", steps=12)
