import json
import sys

import numpy as np

from agents.baselines.families import Environments
from agents.baselines.registry import families
from agents.baselines.rules.analogy.families import CHANGE
from agents.baselines.rules.analogy.families import MEMORY as SHOWN_MEMORY
from agents.baselines.rules.reading.families import CONFIDENT, EVERYTHING, FITTED, FIXED
from agents.baselines.rules.spans.families import READER
from agents.evaluation.baselines import RANKED
from agents.observations.customer_beliefs import PATH
from tests.agents.finished_run import CONFIG, changed

MEMORY = "translation memory"
READING = {EVERYTHING, FIXED, CONFIDENT, FITTED}
TOKENS = {"sampling, tuned", "top-p, tuned", "no-repeat greedy", "echo greedy"}
COPIES = {"kind": "top_k", "k": 4, "copies": 4}


def names(**env):
    made = CONFIG.env.model_validate({"n_envs": 2, **env})
    return {family.name for family in families(Environments(changed(env=made)), "test")}


def test_each_kind_of_environment_has_its_rules():
    extractive = {"mode": "extractive", "actions": COPIES}
    rules = {"held_out": "rules", "shots": 1, "prompt_tokens": 80, "actions": COPIES}
    pointers = {"greedy, with the pointer", "pointer, tuned", "pointer, later end"}
    for name, kwargs, expected in (
        ("NextWord", {}, TOKENS | {"frequent tokens"}),
        ("NextWord", {"rewards": {"sentiment": 1.0}}, TOKENS | {"guided greedy"}),
        ("QuestionAnswering", extractive, TOKENS | pointers | {"context words", MEMORY}),
        (
            "QuestionAnswering",
            extractive | {"held_out": "wordings"},
            TOKENS | pointers | {"context words", MEMORY, READER},
        ),
        ("Paraphrase", {"actions": COPIES}, TOKENS | pointers | {MEMORY}),
        ("Paraphrase", rules, TOKENS | pointers | {MEMORY, SHOWN_MEMORY, CHANGE}),
        ("KnowledgeGraphQA", {}, {"relation lookup"}),
        (
            "KnowledgeGraphQA",
            {"held_out": "compositions"},
            {
                "relation lookup",
                "phrase lookup",
                "next-relation regression",
                "phrase lookup and regression",
            },
        ),
        ("Dialogue", {}, {"polite greedy"}),
        (
            "Dialogue",
            {"customers": "varied"},
            {"polite greedy", "classified customer", "filtered customer"},
        ),
        (
            "Dialogue",
            {
                "customers": {"kind": "varied", "size": 300},
                "observation": {"kind": "candidates", "features": [PATH]},
            },
            {
                "polite greedy",
                "classified customer",
                "classified customer, shown beliefs",
                "filtered customer",
            },
        ),
        ("Classification", {"actions": "choices"}, {"logistic regression"}),
        ("Classification", {"actions": "choices", "mode": "sequential"}, READING),
    ):
        assert names(id=f"lm_envs/{name}-v0", kwargs=kwargs) == set(RANKED) | expected


def test_interpreting_has_wait_k():
    found = names(id="lm_envs/Translation-v0", kwargs={"mode": "simultaneous"})
    assert {"wait-1", "wait-2", "wait-3", "write when confident"} <= found


def test_temperatures_have_a_line_search():
    assert "line search of the temperature" in names(id="lm_envs/WeightTuning-v0", kwargs={})


def test_a_search_by_reward_is_no_policy():
    env = {"id": "lm_envs/StructureSearch-v0", "n_envs": 2, "kwargs": {"passages": 2}}
    made = changed(env=CONFIG.env.model_validate(env))
    found = families(Environments(made), "test")
    assert [family.name for family in found if family.uses_reward] == ["each part tried"]


def test_a_missing_package_leaves_a_baseline_out_with_a_message(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    found = names(id="lm_envs/Classification-v0", kwargs={"actions": "choices"})
    assert found == set(RANKED)
    assert "pip install scikit-learn" in capsys.readouterr().err


def memory_of(**env):
    """The environments of a translation and the family of its memory."""
    made = {"id": "lm_envs/Translation-v0", "n_envs": 2, **env}
    environments = Environments(changed(env=CONFIG.env.model_validate(made)))
    found = families(environments, "test")
    return environments, next(family for family in found if family.name == MEMORY)


def test_a_memory_knows_what_the_embedded_model_has_read_and_the_agent_has_not():
    def pools(split):
        _, memory = memory_of(split=split)
        return {pool for (_, pool), _ in memory.search(lambda setting: 0.0)}

    assert pools("train") == {None}
    assert pools("validation[25%:]") == {None, "train"}


def test_a_memory_knows_the_examples_that_prompts_show(tmp_path):
    def row(source, target, split):
        return {"source": source, "target": target, "pair": "en-fr", "split": split}

    rows = [row(f"close file {i}", f"ferme {i}", "train") for i in range(3_999)]
    rows.insert(1, row("open the door", "ouvre", "train"))  # not among 2,000 evenly spaced ones
    rows += [row("open the door!", "ouvre", split) for split in ("validation", "test")]
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    environments, memory = memory_of(
        split="train[:1%]",
        kwargs={"dataset": str(path), "shots": 1, "prompt_tokens": 60, "actions": COPIES},
    )
    settings = [setting for setting, _ in memory.search(lambda setting: 0.0)]
    assert {pool for _, pool in settings} == {None, "train"}
    transcripts = memory.run(environments, "test", np.array([0]), [1, "train"], 0)
    assert transcripts[0].text.strip() == "ouvre"
