"""Which example each row draws next: one of its own, or the one of its group.

Owns the generators of groups. Knows nothing of tasks, and nothing of what is done with an example.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium.utils import seeding

from lm_envs.envs.snapshots import check_lists, restored_generators
from lm_envs.validation import check_count

_STATE = "prompt_generators"


class PromptGroups:
    """Draws indices of examples for N rows in groups of G neighbors.

    The n-th episode of each row of a group has the same example. Rows may end at different times:
    each has a copy of its group's generator, so none waits for another, and a row that is behind
    gets the prompts that the others had.

    Args:
        rngs: N generators of the rows, in a list that may change; rows draw from them if G is 1.
        seeds: N seeds; those of each group's first row seed the generators of the groups.
        group_size: G, a divisor of N.

    Raises:
        ValueError: If G is not a divisor of N.
    """

    def __init__(
        self, rngs: Sequence[np.random.Generator], seeds: Sequence[int], group_size: int
    ) -> None:
        check_count("group_size", group_size)
        if len(seeds) % group_size:
            divisors = [n for n in range(1, len(seeds) + 1) if len(seeds) % n == 0]
            raise ValueError(
                f"Got group_size={group_size} for {len(seeds)} rows; allowed: a divisor, "
                f"{', '.join(map(str, divisors))}. Change one of them."
            )
        self._own, self._size = rngs, int(group_size)
        # Without groups the rows draw from their own generators.
        rows = range(len(seeds)) if self._size > 1 else ()
        self._copies = [_generator(seeds[self._first(row)]) for row in rows]

    def seed(self, rows: Sequence[int], seeds: np.ndarray) -> None:
        """Seeds the groups' generators of `rows` by `seeds` (N,), where it is not None."""
        for row in rows if self._size > 1 else ():
            if (own := seeds[self._first(row)]) is not None:
                self._copies[row] = _generator(own)

    def draw(self, row: int, num_examples: int) -> int:
        """Returns the index of the next example of a row."""
        rng = self._own[row] if self._size == 1 else self._copies[row]
        return int(rng.integers(num_examples))

    def get_state(self) -> dict[str, Any]:
        """Returns the states of the copies by row as "prompt_generators"; nothing if G is 1."""
        if self._size == 1:
            return {}
        return {_STATE: [rng.bit_generator.state for rng in self._copies]}

    def split_state(self, state: Any) -> tuple[Any, list[np.random.Generator]]:  # noqa: ANN401
        """Returns a caller's state without "prompt_generators", and generators in these states.

        Raises:
            ValueError: If the state is not of these groups.
        """
        if self._size == 1 or not isinstance(state, Mapping):
            return state, self._copies
        rest = dict(state)
        states = {_STATE: rest.pop(_STATE, None)}
        check_lists(states, (_STATE,), len(self._copies))
        return rest, restored_generators(states[_STATE])

    def set_state(self, generators: Sequence[np.random.Generator]) -> None:
        """Restores the generators that `split_state` returned."""
        self._copies = list(generators)

    def _first(self, row: int) -> int:
        """Returns the first row of a row's group."""
        return row - row % self._size


def _generator(seed: int) -> np.random.Generator:
    """Returns a generator whose draws have nothing to do with those of a row of the same seed."""
    return seeding.np_random(int(seed))[0].spawn(1)[0]
