import pytest

from agents.config.loading import UserError
from agents.rating.queue import RatingQueue
from lm_envs.tasks.ratings import RatedText, RatingStore


@pytest.fixture
def store(tmp_path):
    store = RatingStore(tmp_path / "r.sqlite")
    texts = [(RatedText(f"{n}", "good"), RatedText(f"{n}", "bad")) for n in range(40)]
    store.add_pairs(texts)
    return store


def rate_all(queue, rater):
    """Prefers "good"; returns the numbers and the left texts in the order of rating."""
    seen = []
    while item := queue.state(rater)["item"]:
        seen.append((tuple(item["numbers"]), item["texts"][0]))
        queue.rate(rater, tuple(item["numbers"]), "left" if item["texts"][0] == "good" else "right")
    return seen


def test_sides_and_order_are_random_and_the_stored_value_belongs_to_the_text(store):
    queue = RatingQueue(store)
    seen, others = rate_all(queue, "simulated-1"), rate_all(queue, "simulated-2")
    numbers = [item for item, _ in seen]
    assert numbers != sorted(numbers)
    assert numbers != [item for item, _ in others]
    assert 10 <= sum(left == "good" for _, left in seen) <= 30
    assert {rating.value for rating in store.ratings} == {1.0}  # "good" is the first of each pair
    assert {rating.is_swapped for rating in store.ratings} == {False, True}


def test_a_new_queue_goes_on_where_the_old_one_was(store):
    queue = RatingQueue(store)
    state = queue.state("Anna")
    queue.rate("Anna", tuple(state["item"]["numbers"]), "skip")
    assert RatingQueue(RatingStore(store.path)).state("Anna") == queue.state("Anna")


def test_a_second_rating_of_the_same_item_is_left_out(store):
    queue = RatingQueue(store)
    item = tuple(queue.state("Anna")["item"]["numbers"])
    queue.rate("Anna", item, "tie")
    queue.rate("Anna", item, "left")
    assert [rating.value for rating in store.ratings] == [0.5]


def test_single_texts_are_rated_from_0_to_10(store):
    queue = RatingQueue(store, is_scale=True)
    state = queue.state("Anna")
    assert (state["total"], len(state["item"]["texts"])) == (80, 1)
    item = tuple(state["item"]["numbers"])
    for choice in (11, -1, 2.5, True, "left"):
        with pytest.raises(UserError, match="allowed: 0 to 10, or 'skip'"):
            queue.rate("Anna", item, choice)
    queue.rate("Anna", item, 7)
    assert store.mean_rating(store.texts[item[0]].prompt, store.texts[item[0]].text) == 0.7


def test_a_store_without_pairs_is_refused(tmp_path):
    with pytest.raises(UserError, match="without pairs"):
        RatingQueue(RatingStore(tmp_path / "empty.sqlite"))
