import gymnasium as gym
import numpy as np

import lm_envs
from agents.baselines.rules.lines import by_rule, polite_greedy, relation_lookup
from agents.evaluation.baselines import greedy
from agents.evaluation.rollouts import mean_scores, run_episodes
from lm_envs.tasks.simulators.customer import is_polite

gym.register_envs(lm_envs)


def make(name, **kwargs):
    arguments = {"num_envs": 8, "split": "validation", "autoreset_mode": "disabled"} | kwargs
    return gym.make_vec(f"lm_envs/{name}-v0", **arguments).unwrapped


def test_relations_that_the_question_names_lead_to_every_answer():
    env = make("KnowledgeGraphQA")
    for index in range(env.num_examples):
        example, turns, path = env.task.example(index), [], []
        prompt = env.tokenizer.decode(example.prompt)
        while not turns or turns[-1] != "stop":
            path.append(env.task.oracle_completion(example, path))
            turns.append(relation_lookup(prompt, turns, env.task.options(example, turns)))
        assert turns == path


def test_lookup_as_a_policy_is_always_correct():
    env = make("KnowledgeGraphQA")
    written = run_episodes(env, by_rule(relation_lookup), np.arange(8))
    assert mean_scores(written)["correct"] == 1.0


def test_a_question_that_names_no_relation_is_left_to_the_model():
    options = make("KnowledgeGraphQA").task.options
    env = make("KnowledgeGraphQA")
    prompt = "Question: Why is the sky blue?\nPath: France\nNext:"
    assert relation_lookup(prompt, [], options(env.task.example(0), [])) is None
    env.reset(options={"index": 0})
    unknown = by_rule(lambda prompt, turns, options: None)
    assert unknown(env, None).tolist() == greedy()(env, None).tolist()


def test_polite_greedy_takes_the_polite_form_of_the_likeliest_line():
    env = make("Dialogue")
    env.reset(options={"index": np.arange(8)})
    plain, polite = greedy()(env, None), polite_greedy()(env, None)
    assert (polite // 2).tolist() == (plain // 2).tolist()
    lines = env.task.options(env.task.example(0), [])
    assert all(is_polite(lines[action].text) for action in polite)
