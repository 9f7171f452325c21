from collections import Counter, defaultdict
from itertools import combinations

import pytest

from lm_envs.tasks.simulators.country_questions import (
    FIELDS,
    LEAST_FIELDS,
    LONGEST_PARAGRAPH,
    PLACES,
    RELATIONS,
    WORDINGS_PER_FACT,
    all_wordings,
    country_questions,
)

SPLITS = ("train", "validation", "test")


def test_no_wording_and_no_country_is_in_two_splits():
    sentences, countries = defaultdict(set), defaultdict(set)
    for split in SPLITS:
        for pool in all_wordings().values():
            sentences[split] |= {*pool.get(split)}
        countries[split] = {asked.subject for asked in country_questions(split)}
    for first, second in combinations(SPLITS, 2):
        assert not sentences[first] & sentences[second]
        assert not countries[first] & countries[second]


def test_each_relation_has_many_wordings_in_each_split():
    assert set(all_wordings()) == set(RELATIONS)
    for pool in all_wordings().values():
        assert [len(pool.get(split)) for split in SPLITS] == [18, 6, 6]


@pytest.mark.parametrize("split", SPLITS)
def test_questions_are_in_the_wordings_of_their_split(split):
    for asked in country_questions(split):
        known = {each.format(asked.subject) for each in all_wordings()[asked.relation].get(split)}
        assert asked.question in known


@pytest.mark.parametrize("split", SPLITS)
def test_answers_stand_in_their_contexts_among_others_of_their_kind(split):
    kind_of = {name: field.kind for field in FIELDS.values() for name in field.relations}
    alike = []
    for asked in country_questions(split):
        assert asked.answer in asked.context
        assert len(asked.context) <= LONGEST_PARAGRAPH
        labels = [name for name in FIELDS if f"{name}: " in asked.context]
        assert len(labels) >= LEAST_FIELDS
        alike.append(sum(FIELDS[label].kind == kind_of[asked.relation] for label in labels))
    assert sum(count >= 2 for count in alike) > 0.95 * len(alike)
    assert sum(count >= 3 for count in alike) > 0.6 * len(alike)


@pytest.mark.parametrize("split", SPLITS)
def test_answers_begin_anywhere(split):
    counts = Counter(asked.place for asked in country_questions(split))
    assert set(counts) == set(PLACES)
    assert min(counts.values()) > 0.25 * sum(counts.values())
    for relation in RELATIONS:
        places = {asked.place for asked in country_questions(split) if asked.relation == relation}
        assert places == set(PLACES)


def test_a_fact_is_asked_for_in_different_wordings_and_paragraphs():
    asked = defaultdict(list)
    for each in country_questions("train"):
        asked[each.subject, each.relation].append(each)
    assert max(map(len, asked.values())) == WORDINGS_PER_FACT
    for found in asked.values():
        assert len({each.question for each in found}) == len(found)
        assert len({each.context for each in found}) == len(found)
