from functools import partial

import gymnasium as gym
import numpy as np

import lm_envs
from agents.baselines.families import Environments
from agents.baselines.rules.customer_beliefs import Conversation
from agents.baselines.rules.customers.families import (
    FILTERED,
    filtered,
    filtered_customer,
    settings,
)
from agents.baselines.rules.customers.rule import FilterThresholds, filtered_line
from agents.baselines.rules.customers.sentences import SentenceClassifier, labeled_sentences
from agents.baselines.rules.dialogue import policy_of
from agents.evaluation.rollouts import mean_scores, run_episodes
from lm_envs.tasks.simulators.customer import QUESTIONS
from tests.agents.finished_run import CONFIG, changed

gym.register_envs(lm_envs)
ENV = {
    "id": "lm_envs/Dialogue-v0",
    "n_envs": 32,
    "kwargs": {
        "customers": "varied",
        "observation": {"kind": "words"},
        "actions": {"kind": "choices", "scores": False, "reads": False},
    },
}


def test_settings_are_different_thresholds_by_names():
    tried = [FilterThresholds(**each) for each in settings()]
    assert 16 <= len(tried) == len(set(tried)) <= 30


def test_beliefs_do_not_depend_on_the_conversations_before_them():
    classifier = SentenceClassifier(labeled_sentences(["train"]))
    order = QUESTIONS["order"][0]
    first = Conversation(("Hey. Where is my lamp?",), ())
    later = Conversation((*first.replies, "It is B7. I think."), (order,))
    other = Conversation((*first.replies, "It is B7."), (order,))
    believe = filtered(classifier)
    together = believe([first, later, other])
    assert [filtered(classifier)([each])[0] for each in (first, later, other)] == together
    assert believe([other, later]) == [together[2], together[1]]
    assert together[1].mistaken > together[2].mistaken


class Unread(SentenceClassifier):
    """Every sentence may mean everything that is possible at its place."""

    def __init__(self):
        pass

    def probabilities(self, sentence, meanings):
        return np.full(len(meanings), 1.0 / len(meanings))


def test_the_rule_serves_customers_with_held_out_wordings_by_reading_them():
    environments = Environments(changed(env=CONFIG.env.model_validate(ENV)))
    family, indices, setting = filtered_customer(), np.arange(160), settings()[0]
    assert family.name == FILTERED
    learned = family.run(environments, "validation", indices, setting, 0)
    choose = partial(filtered_line, FilterThresholds(**setting))
    env = environments.get("validation")
    unread = run_episodes(env, policy_of(choose, filtered(Unread())), indices)
    assert mean_scores(learned)["reward"] > 0.75
    assert mean_scores(unread)["reward"] < 0.65
