import itertools
import json

import pytest

from lm_envs.tasks.knowledge_graph import KnowledgeGraphQA
from lm_envs.tasks.simulators.fact_wordings import all_wordings, varied_question
from lm_envs.tasks.splits import SPLITS
from tests.tasks.helpers import embedded_tokenizer

EDGES = [("currency", True), ("main customer", False), ("capital", False)]


def sentences_of(split):
    wordings = all_wordings()
    pools = [
        pool for each in wordings.relations.values() for pool in (each.asked, each.described)
    ] + [each.linked for each in wordings.relations.values()]
    return [text for pool in pools for text in pool.get(split)]


def test_no_sentence_of_one_split_is_in_another():
    for first, second in itertools.combinations(SPLITS, 2):
        assert not set(sentences_of(first)) & set(sentences_of(second))
        frames = ({part for frame in all_wordings().frames[s] for part in frame} for s in SPLITS)
        assert not set.intersection(*frames)


@pytest.mark.parametrize("split", SPLITS)
def test_each_sentence_names_one_thing_and_no_two_relations_share_one(split):
    texts = sentences_of(split)
    assert len(texts) == len(set(texts))
    assert all(text.count("{}") == 1 for text in texts)
    assert all(frame.first.count("{}") == 1 for frame in all_wordings().frames[split])


def test_each_relation_of_the_embedded_graph_has_wordings_in_each_split():
    task = KnowledgeGraphQA(embedded_tokenizer(), split="validation", hops=3)
    for name in task.relations:
        wordings = all_wordings().relations[name]
        assert all(wordings.asked.get(split) and wordings.described.get(split) for split in SPLITS)
        assert bool(wordings.linked.train) == name.startswith("main")


def test_a_question_names_the_start_once_and_depends_on_the_split_alone():
    asked = {split: varied_question("baht", EDGES, split) for split in SPLITS}
    assert len(set(asked.values())) == 3
    assert all(text.count("baht") == 1 for text in asked.values())
    assert asked == {split: varied_question("baht", tuple(EDGES), split) for split in SPLITS}


def test_some_questions_name_the_countries_one_after_the_other():
    asked = [varied_question(f"coin {n}", EDGES, "train") for n in range(40)]
    assert 10 < sum(". " in text for text in asked) < 30


def test_relations_without_wordings_are_refused(tmp_path):
    path = tmp_path / "facts.jsonl"
    row = {"subject": "Oz", "relation": "ruler", "answer": "Ozma", "question": "Who rules Oz?"}
    path.write_text(json.dumps(row))
    with pytest.raises(ValueError, match=r"relation 'ruler'; allowed: .*capital.*wordings='facts'"):
        KnowledgeGraphQA(embedded_tokenizer(), dataset=str(path), wordings="varied")
