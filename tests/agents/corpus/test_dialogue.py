from collections import Counter

from agents.corpus.dialogue import DIALOGUES_PER_CUSTOMER, dialogues
from lm_envs.tasks.simulators.customer import GOODBYE, all_customers


def test_every_conversation_satisfies_its_customer():
    found = list(dialogues())
    assert len(found) == DIALOGUES_PER_CUSTOMER * len(list(all_customers()))
    assert all(text.endswith(f"\nCustomer: {GOODBYE}") for _, text in found)
    assert all(text.startswith("Customer: ") for _, text in found)


def test_conversations_are_in_all_splits_and_reproducible():
    assert set(Counter(split for split, _ in dialogues())) == {"train", "validation", "test"}
    assert next(dialogues()) == next(dialogues())
