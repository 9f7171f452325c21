"""Action kinds by name, class, path and object."""

import numpy as np
import pytest

from lm_envs.envs import LanguageVectorEnv
from lm_envs.envs.actions import TopKActions
from lm_envs.envs.actions.factory import KINDS
from lm_envs.tasks.next_word import NextWord
from tests.envs.helpers import make, make_small


class Nothing:
    """A class that is no action kind."""


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "top_k", "k": 5},
        {"kind": TopKActions, "k": 5},
        {"kind": "lm_envs.envs.actions.top_k:TopKActions", "k": 5},
        TopKActions(k=5),
    ],
)
def test_all_forms_of_a_spec_make_the_same_actions(spec):
    env = LanguageVectorEnv(1, task="next_word", actions=spec)
    assert type(env.actions) is TopKActions
    assert env.single_action_space.n == 5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("top_q", "actions kind='top_q'; allowed: 'top_k', 'vocabulary'"),
        ({"kind": "top_k", "copes": 3}, "unknown option 'copes'.*Did you mean 'copies'"),
        ({"kind": "choices", "score": True}, "unknown option 'score'.*Did you mean 'scores'"),
        ({"kind": TopKActions, "kk": 2}, "unknown option 'kk' of actions 'TopKActions'"),
        ({"kind": "read_write", "k": 2}, "unknown option 'k' of actions 'read_write'; allowed: no"),
        ({"kind": TopKActions(k=4), "k": 2}, "unknown option 'k' of actions 'TopKActions'"),
        ("lm_envs.envs.actions.top_k:TopK", "no such name in lm_envs.envs.actions.top_k"),
        (Nothing, "which makes Nothing; allowed: a subclass of lm_envs.envs.actions.Actions"),
        ("read_write", "'read_write' and mode='simultaneous' of a translation go together"),
        (None, "actions kind=None; allowed: 'top_k'"),
    ],
)
def test_a_wrong_spec_is_refused(checkpoint, spec, message):
    with pytest.raises(ValueError, match=message):
        make_small(checkpoint, actions=spec)


def test_a_task_that_needs_its_own_actions_refuses_others():
    options = {"env_id": "lm_envs/Translation-v0", "mode": "simultaneous"}
    assert type(make(1, **options).actions) is KINDS["read_write"]
    with pytest.raises(ValueError, match="actions='top_k' for 'translation'"):
        make(1, actions="top_k", **options)


@pytest.mark.parametrize("kind", ["top_k", "vocabulary", "embedding"])
def test_the_constructor_alone_needs_no_model(kind):
    made = KINDS[kind]()
    assert made.num_candidates == 16
    assert made.reserved_tokens == 1
    assert not hasattr(made, "engine")
    assert np.isscalar(made.meaning)


def test_a_task_of_another_package_may_need_its_own_actions(checkpoint):
    """Regression: the message spoke of simultaneous translation."""

    class Lines(NextWord):
        required_actions = "vocabulary"

    with pytest.raises(ValueError, match=r"it works with actions='vocabulary' only\.$"):
        LanguageVectorEnv(1, task=Lines, model=str(checkpoint), actions="top_k")
