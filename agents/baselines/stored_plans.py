"""Plans that a search found, in a file, so that runs with other seeds need not search again.

A file has actions and rewards, but no observations: each plan is played once more when it is read,
and the rewards show whether the environment is still the one that was searched. Owns the file.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.config.loading import UserError
from agents.runs.files import write_bytes

Plan = Sequence[np.ndarray]
"""Actions of one episode."""


@dataclass(frozen=True, slots=True)
class StoredPlans:
    """The best plan of each of E examples after some numbers of rounds.

    Attributes:
        indices: (E,) int64 examples.
        plans: E plans for each number of rounds.
        rewards: (E,) float64 rewards of these plans for each number of rounds.
    """

    indices: np.ndarray
    plans: Mapping[int, Sequence[Plan]]
    rewards: Mapping[int, np.ndarray]


def write_plans(path: Path, found: StoredPlans) -> None:
    """Writes plans as .npz, whole or not at all."""
    arrays = {"indices": found.indices, "rounds": np.array(list(found.plans), np.int64)}
    for rounds, plans in found.plans.items():
        arrays[f"lengths_{rounds}"] = np.array([len(plan) for plan in plans], np.int64)
        arrays[f"actions_{rounds}"] = np.stack([action for plan in plans for action in plan])
        arrays[f"rewards_{rounds}"] = found.rewards[rounds]
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    write_bytes(path, content.getvalue())


def read_plans(path: Path) -> StoredPlans:
    """Reads plans; no code of the file is executed.

    Raises:
        UserError: If the file has other content.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            rounds = [int(each) for each in file["rounds"]]
            plans = {
                each: _split(file[f"actions_{each}"], file[f"lengths_{each}"]) for each in rounds
            }
            rewards = {each: file[f"rewards_{each}"] for each in rounds}
            return StoredPlans(file["indices"], plans, rewards)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(
            f"Got clone_plans={str(path)!r}, which is no file of plans ({type(error).__name__}); "
            "allowed: one that an earlier run wrote, or a new name. Delete it to search again."
        ) from None


def _split(actions: np.ndarray, lengths: np.ndarray) -> list[Plan]:
    if len(actions) != lengths.sum() or (lengths < 0).any():
        raise ValueError("actions and lengths do not fit")
    return [list(part) for part in np.split(actions, lengths.cumsum()[:-1])]
