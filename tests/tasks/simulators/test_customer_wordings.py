import itertools

from lm_envs.tasks.simulators import customer_wordings as wordings
from lm_envs.tasks.simulators.customer import REQUESTS, VALUES
from lm_envs.tasks.simulators.varied_customer import MOODS
from lm_envs.tasks.splits import SPLITS

GROUPS = (
    wordings.WISHES,
    wordings.GREETINGS,
    wordings.REMARKS,
    wordings.REFUSALS,
    wordings.ANSWERS,
    wordings.STATEMENTS,
)
POOLS = [*(pool for group in GROUPS for pool in group.values()), wordings.VAGUE, wordings.DOUBTS]


def test_no_sentence_of_one_split_is_in_another():
    for first, second in itertools.combinations(SPLITS, 2):
        sentences = (
            {text for pool in POOLS for text in pool.get(split)} for split in (first, second)
        )
        assert not set.intersection(*sentences)


def test_each_request_mood_and_slot_has_sentences_in_every_split():
    assert set(wordings.WISHES) == set(REQUESTS)
    assert set(wordings.REMARKS) == set(MOODS)
    assert set(wordings.ANSWERS) == set(VALUES)
    assert all(pool.get(split) for pool in POOLS for split in SPLITS)
