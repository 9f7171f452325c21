"""What each rater sees next, and the rating of it.

Owns the order of the items, the sides of a pair, and what a choice means. Each rater has an order
of their own, and sides are drawn; both depend on the store and the rater's name only, so that a
restarted server goes on where it was. Knows nothing of HTTP.
"""

from collections.abc import Mapping
from random import Random
from secrets import token_hex
from typing import Any

from agents.config.loading import UserError
from lm_envs.rendering import printable
from lm_envs.tasks.human import BEST
from lm_envs.tasks.ratings import RatedText, Rating, RatingStore

CHOICES: Mapping[str, float | None] = {"left": 1.0, "right": 0.0, "tie": 0.5, "skip": None}
"""Choices of a pair, and the value of the text on the left."""

LONGEST_NAME = 40

Item = tuple[int, int | None]
"""Numbers of the two texts of a pair, or of one text."""


class RatingQueue:
    """Items of a store in each rater's order.

    Args:
        store: With pairs.
        is_scale: Whether single texts are rated from 0 to 10, not pairs.

    Raises:
        UserError: If the store has no pairs.
    """

    def __init__(self, store: RatingStore, *, is_scale: bool = False) -> None:
        self._store, self._is_scale = store, is_scale
        self._seed = store.set_property("seed", token_hex(8))
        self._texts, pairs = store.texts, store.pairs
        if not pairs:
            raise UserError(f"Got {store.path} without pairs of texts; allowed: one or more.")
        self._items: list[Item] = [(pair.first, pair.second) for pair in pairs]
        if is_scale:
            self._items = [(n, None) for n in dict.fromkeys(n for i in self._items for n in i if n)]

    def state(self, rater: str) -> dict[str, Any]:
        """Returns the rater's next item and progress as JSON values.

        Raises:
            UserError: If the name is not allowed.
        """
        check_rater(rater)
        known, ratings = set(self._items), self._store.ratings_by(rater)
        rated = {rating.item for rating in ratings} & known
        waiting = [item for item in self._order(rater) if item not in rated]
        return {
            "item": self._shown(rater, waiting[0]) if waiting else None,
            "done": len(rated),
            "total": len(self._items),
            "can_undo": bool(ratings),
            "is_scale": self._is_scale,
        }

    def rate(self, rater: str, item: Item, choice: object) -> None:
        """Stores a rating; one that is stored already is left as it is.

        Args:
            rater: Name of the rater.
            item: As in `state`.
            choice: A key of `CHOICES`, or a whole number, 0 to 10, or "skip".

        Raises:
            UserError: If the rater, the item or the choice is not allowed.
            StoreWriteError: If it could not be stored.
        """
        check_rater(rater)
        if item not in self._items:
            raise UserError(f"Got item {item!r}; allowed: the item that is shown. Reload the page.")
        is_swapped = self._is_swapped(rater, item)
        value = self._value(choice)
        if is_swapped and value is not None:
            value = 1.0 - value
        self._store.add_ratings([Rating(rater, *item, value, is_swapped)])

    def undo(self, rater: str) -> None:
        """Undoes the rater's last rating, if there is one; the item is shown again."""
        check_rater(rater)
        self._store.undo(rater)

    def _order(self, rater: str) -> list[Item]:
        order = list(self._items)
        Random(f"{self._seed}/{rater}").shuffle(order)
        return order

    def _is_swapped(self, rater: str, item: Item) -> bool:
        return item[1] is not None and Random(f"{self._seed}/{rater}/{item}").random() < 0.5

    def _value(self, choice: object) -> float | None:
        if self._is_scale and choice != "skip":
            if isinstance(choice, bool) or not isinstance(choice, int) or not 0 <= choice <= BEST:
                raise UserError(f"Got choice={choice!r}; allowed: 0 to {BEST}, or 'skip'.")
            return choice / BEST
        if not isinstance(choice, str) or choice not in CHOICES:
            raise UserError(f"Got choice={choice!r}; allowed: {', '.join(CHOICES)}.")
        return CHOICES[choice]

    def _shown(self, rater: str, item: Item) -> dict[str, Any]:
        """Returns an item without sources: the rater does not learn what wrote the texts."""
        numbers = [number for number in item if number is not None]
        if self._is_swapped(rater, item):
            numbers.reverse()
        texts = [_shown_text(self._texts[number]) for number in numbers]
        prompt = printable(self._texts[numbers[0]].prompt, keep_lines=True)
        return {"numbers": list(item), "prompt": prompt, "texts": texts}


def check_rater(rater: object) -> None:
    """Checks the name of a rater.

    Raises:
        UserError: If it is empty, long, or has characters that are not printed.
    """
    is_text = isinstance(rater, str) and rater.strip() == rater and rater.isprintable()
    if not is_text or not 1 <= len(str(rater)) <= LONGEST_NAME:
        raise UserError(
            f"Got rater={str(rater)[:LONGEST_NAME]!r}; allowed: 1 to {LONGEST_NAME} printed "
            "characters without spaces around them, such as Anna."
        )


def _shown_text(text: RatedText) -> str:
    return printable(text.shown or text.text, keep_lines=True) or "(nothing)"
