from dataclasses import asdict

import gymnasium as gym
import numpy as np

import lm_envs
from agents.baselines.learned_examples import LearnedExamples
from agents.baselines.rules.customer_beliefs import Beliefs, Conversation
from agents.baselines.rules.dialogue import (
    FOUND,
    NUM_DRAWN,
    Thresholds,
    believing_customers,
    chosen_line,
    classified_customers,
    trials,
)
from agents.baselines.rules.lines import polite_greedy
from agents.evaluation.rollouts import mean_scores, run_episodes
from agents.observations.customer_beliefs import BELIEFS, PATH
from lm_envs.tasks.base import Option
from lm_envs.tasks.simulators.customer import QUESTIONS
from lm_envs.tasks.simulators.customer_population import varied_customers
from lm_envs.tasks.simulators.varied_customer import CLARIFY, CONFIRM

gym.register_envs(lm_envs)

CUSTOMER = next(
    each for each in varied_customers("train") if each.request == "return" and each.mood == "easy"
)
HURRIED = {"hurried": 1.0, "formal": 0.0, "easy": 0.0}
FORMAL = {"hurried": 0.0, "formal": 1.0, "easy": 0.0}


def line(turns=(), moods=HURRIED, share=1.0, mistaken=0.0, **thresholds):
    state = CUSTOMER.converse(turns)
    options = [Option(*each) for each in CUSTOMER.options(turns)]
    requests = dict.fromkeys(("status", "cancel", "hours", "address"), (1.0 - share) / 4)
    belief = Beliefs({"return": share, **requests}, moods, mistaken)
    talk = Conversation(tuple(state.replies), tuple(turns))
    return chosen_line(Thresholds(**thresholds), talk, belief, options)


def test_the_rule_clarifies_asks_confirms_and_grants():
    assert line(share=0.3) == CLARIFY[0]
    missing = CUSTOMER.converse([]).missing
    assert line() == QUESTIONS[missing[0]][0]
    assert line(moods=FORMAL) == QUESTIONS[missing[0]][1]
    turns = [QUESTIONS[slot][0] for slot in missing]
    assert not CUSTOMER.converse(turns).missing
    assert line(turns, mistaken=0.5) == CONFIRM[0]
    assert line(turns).startswith("The return of order")


def test_a_confirmation_without_an_answer_is_repeated_if_the_rule_asks_again():
    belief = Beliefs({"return": 1.0}, HURRIED, 0.5)
    turns = [QUESTIONS[slot][0] for slot in CUSTOMER.converse([]).missing]
    options = [Option(*each) for each in CUSTOMER.options(turns)]
    replies = tuple(CUSTOMER.converse(turns).replies)
    for reply, asks_again, expected in (
        ("Hm?", False, False),
        ("Hm?", True, True),
        ("Yes, that is right.", True, False),
        ("No, wait, it is B7.", True, False),
    ):
        talk = Conversation((*replies, reply), (*turns, CONFIRM[0]))
        chosen = chosen_line(Thresholds(asks_again=asks_again), talk, belief, options)
        assert (chosen in CONFIRM) is expected


def test_the_rule_over_shown_beliefs_reads_them_from_the_observations():
    kwargs = {
        "customers": {"kind": "varied", "seed": 1, "size": 300},
        "observation": {"kind": "candidates", "features": [PATH]},
        "actions": {"kind": "choices", "scores": False, "reads": False},
        "autoreset_mode": "disabled",
    }
    env = gym.make_vec("lm_envs/Dialogue-v0", 24, split="validation", **kwargs).unwrapped
    indices, best = np.arange(24), asdict(FOUND[-1])
    found = mean_scores(run_episodes(env, believing_customers(best, 0), indices))
    assert found["reward"] > 0.5  # polite lines that the model ranks earn 0.1
    observations, _ = env.reset(options={"index": indices})
    observations[:, env.single_observation_space.columns[BELIEFS]] = 1.0 / 9.0  # unsure
    lines = believing_customers(best, 0)(env, observations)
    offered = env.task.options(env.task.example(0), [])
    assert {offered[action].text for action in lines} <= {*CLARIFY}


def test_trials_are_the_same_on_every_call_and_begin_with_the_default():
    assert trials() == trials()
    assert len(trials()) == 1 + NUM_DRAWN + len(FOUND)
    assert Thresholds(**trials()[0]) == Thresholds()


def test_the_rule_serves_varied_customers_better_than_politeness_alone():
    arguments = {"num_envs": 24, "customers": "varied", "autoreset_mode": "disabled"}
    learned = gym.make_vec("lm_envs/Dialogue-v0", **arguments).unwrapped
    judged = gym.make_vec("lm_envs/Dialogue-v0", split="validation", **arguments).unwrapped
    policy = classified_customers()(LearnedExamples(learned, np.arange(200)), trials()[0], 0)
    indices = np.arange(24)
    found = {
        name: mean_scores(run_episodes(judged, each, indices))["reward"]
        for name, each in (("rule", policy), ("polite", polite_greedy()))
    }
    assert found["rule"] > found["polite"] + 0.2
