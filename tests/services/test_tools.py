"""Tool environments: what a trainer reads of them, without one."""

import pytest

from lm_envs.services import dataset_rows, tool_environments
from lm_envs.services.tools import KINDS


@pytest.mark.parametrize("task", KINDS)
def test_every_tool_has_types_and_a_description_of_each_argument(task):
    """Trainers make a JSON schema of them, by transformers' function."""
    from transformers.utils import get_json_schema

    env = tool_environments(task)()
    assert env.tools
    for name, tool in env.tools.items():
        schema = get_json_schema(tool)["function"]
        assert schema["name"] == name
        assert schema["description"]
        assert all(each["description"] for each in schema["parameters"]["properties"].values())


def test_a_dialogue_is_won_by_its_tools():
    env = tool_environments("dialogue", split="train")()
    assert env.reset(index=0) == "Customer: I want to return a lamp."
    assert env.reply("What is your order number?") == "Customer: It is G7."
    assert env.get_reward() < 0.5
    env.reply("Why do you send it back?")
    env.reply(env.episode.task.customers[0].grant)
    assert env.episode.is_over
    assert env.get_reward() > 0.5


def test_a_walk_is_won_by_its_tools():
    env = tool_environments("knowledge_graph", hops=1)()
    first = env.reset(index=0)
    assert first.startswith("Question: ")
    example = env.episode.task.example(0)
    relation = env.episode.task.oracle_completion(example, [])
    assert relation in env.relations().split(", ")
    assert env.follow(relation) == env.stop()
    assert env.get_reward() > 1.0
    assert env.relations() == "The episode is over."


def test_rollouts_of_one_row_have_the_same_example():
    make = tool_environments("question_answering", split="validation")
    rows = dataset_rows("question_answering", split="validation")
    assert make().reset(**rows[5]) == make().reset(**rows[5])
    assert rows[5]["prompt"][0]["role"] == "user"
    assert len(rows) == make().episode.task.num_examples


def test_environments_of_one_factory_draw_different_examples():
    make = tool_environments("dialogue")
    assert [env.reset() for env in (make(), make())] != [env.reset() for env in (make(),) * 2]


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        ("translation", {}, "Got task='translation'; allowed: 'dialogue'"),
        ("dialogue", {"splitt": "train"}, "unexpected keyword argument 'splitt'"),
        ("question_answering", {"rewards": {"perplexity": 1.0}}, "Got"),
    ],
)
def test_a_wrong_argument_is_refused_before_any_environment(task, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        tool_environments(task, **options)
