"""States of many numbers as few numbers, or as one: fitted on sampled states of one model.

Every reducer first projects a state affinely, then decides: cut off, nearest center, sign, bin.
Owns the fitting and the files. Knows nothing of environments.
"""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import gymnasium as gym
import numpy as np

from lm_envs.envs.observations.kmeans import k_means, nearest
from lm_envs.pca import principal_axes
from lm_envs.storage import read_arrays, write_arrays
from lm_envs.validation import check_choice, check_count

BOUND = 10.0
"""Standard deviations at which `Compressed` cuts off a component."""

MAX_BITS = 24
"""Most bits of `Hashed`: a table of 16 actions then holds 2 GiB."""

Layout = Literal["discrete", "multi"]


class Reducer(ABC):
    """A fitted map from states (N, D) to a small space.

    Attributes:
        kind: Name in `REDUCERS`.
        space: What one reduced state is a member of.
        model: `lm_envs.model.loading.fingerprint` of the model whose states it was fitted on.
        arrays: The fitted numbers; `mean` (D,) and `matrix` (D, d) are the projection.
        settings: Plain options that the arrays do not tell.
    """

    kind: ClassVar[str]
    space: gym.Space[Any]

    def __init__(self, arrays: dict[str, np.ndarray], settings: dict[str, Any], model: str) -> None:
        self.arrays, self.settings, self.model = arrays, settings, model

    @property
    def num_features(self) -> int:
        """D, numbers in a state."""
        return len(self.arrays["mean"])

    def transform(self, states: np.ndarray) -> np.ndarray:
        """Reduced states of N states (N, D); row i depends on state i alone.

        Raises:
            ValueError: If the states have another number of features.
        """
        states = np.asarray(states)
        if states.ndim != 2 or states.shape[1] != self.num_features:
            raise ValueError(
                f"Got states of shape {states.shape}; allowed: (N, {self.num_features}), as this "
                "reducer was fitted on. Fit one on this environment."
            )
        # Row by row: a product of all rows may round a row otherwise, and move it over an edge.
        centered = (states - self.arrays["mean"])[:, None]  # (N, 1, D)
        return self._decide((centered @ self.arrays["matrix"])[:, 0])

    def save(self, path: Path) -> None:
        """Writes one safetensors file with a JSON header."""
        header = {"kind": self.kind, "settings": self.settings, "model": self.model}
        write_arrays(path, self.arrays, header)

    @abstractmethod
    def _decide(self, points: np.ndarray) -> np.ndarray:
        """Reduced states of N projected states (N, d) float64."""


class Compressed(Reducer):
    """The leading principal components, in standard deviations, cut off at 10: `Box(d,)`.

    Features are brought to the same scale first, so that none counts more for its unit.
    """

    kind = "compressed"

    def __init__(self, *fitted: Any) -> None:  # noqa: ANN401 - as Reducer
        super().__init__(*fitted)
        size = self.arrays["matrix"].shape[1]
        self.space = gym.spaces.Box(-BOUND, BOUND, (size,), np.float32)

    @classmethod
    def fit(cls, states: np.ndarray, *, model: str, dim: int = 16) -> Self:
        """Fits d components on states (S, D)."""
        mean, matrix, _ = components(states, dim)
        return cls({"mean": mean, "matrix": matrix}, {}, model)

    def _decide(self, points: np.ndarray) -> np.ndarray:
        return points.clip(-BOUND, BOUND).astype(np.float32)


class Clustered(Reducer):
    """The nearest of k centers among the leading principal components: `Discrete(k)`."""

    kind = "clustered"

    def __init__(self, *fitted: Any) -> None:  # noqa: ANN401 - as Reducer
        super().__init__(*fitted)
        self.space = gym.spaces.Discrete(len(self.arrays["centers"]))

    @classmethod
    def fit(
        cls,
        states: np.ndarray,
        *,
        model: str,
        num_clusters: int = 256,
        dim: int = 16,
        seed: int = 0,
    ) -> Self:
        """Fits k centers on d components of states (S, D), each weighed by its deviation."""
        check_count("num_clusters", num_clusters)
        mean, matrix, deviations = components(states, dim)
        matrix = matrix * deviations
        points = (states - mean) @ matrix
        centers = k_means(points, num_clusters, np.random.default_rng(seed))
        return cls({"mean": mean, "matrix": matrix, "centers": centers}, {}, model)

    def _decide(self, points: np.ndarray) -> np.ndarray:
        return nearest(points, self.arrays["centers"])


class Hashed(Reducer):
    """On which side of b random hyperplanes through the mean state: `Discrete(2**b)`.

    States at a small angle mostly share their bits. Source: Charikar 2002,
    https://doi.org/10.1145/509907.509965; counts of such codes explore well in Tang et al. 2017,
    https://arxiv.org/abs/1611.04717.
    """

    kind = "hashed"

    def __init__(self, *fitted: Any) -> None:  # noqa: ANN401 - as Reducer
        super().__init__(*fitted)
        self._weights = 2 ** np.arange(self.arrays["matrix"].shape[1])
        self.space = gym.spaces.Discrete(2 ** len(self._weights))

    @classmethod
    def fit(cls, states: np.ndarray, *, model: str, bits: int = 8, seed: int = 0) -> Self:
        """Draws b hyperplanes for states (S, D), whose features are brought to one scale."""
        check_count("bits", bits)
        if bits > MAX_BITS:
            raise ValueError(f"Got bits={bits}; allowed: 1 to {MAX_BITS}.")
        mean, scale = _standard(states)
        planes = np.random.default_rng(seed).normal(size=(len(mean), bits))
        return cls({"mean": mean, "matrix": planes / scale[:, None]}, {}, model)

    def _decide(self, points: np.ndarray) -> np.ndarray:
        return (points > 0) @ self._weights


class Binned(Reducer):
    """Which quantile of each of the d leading principal components a state lies in.

    With the layout "discrete" one number of `Discrete(bins**d)`, the first component counting most;
    with "multi" d numbers of `MultiDiscrete([bins] * d)`.
    """

    kind = "binned"

    def __init__(self, *fitted: Any) -> None:  # noqa: ANN401 - as Reducer
        super().__init__(*fitted)
        dim, cuts = self.arrays["edges"].shape
        self._weights = (cuts + 1) ** np.arange(dim)[::-1]
        self.space = (
            gym.spaces.MultiDiscrete((cuts + 1,) * dim)
            if self.settings["layout"] == "multi"
            else gym.spaces.Discrete((cuts + 1) ** dim)
        )

    @classmethod
    def fit(
        cls,
        states: np.ndarray,
        *,
        model: str,
        dim: int = 4,
        bins: int = 4,
        layout: Layout = "discrete",
    ) -> Self:
        """Fits bins of equal numbers of the states (S, D) on each of d components."""
        check_count("bins", bins)
        check_choice("layout", layout, ("discrete", "multi"))
        if layout == "discrete" and bins**dim > 2**MAX_BITS:
            raise ValueError(f"Got bins={bins} and dim={dim}; allowed: bins**dim to 2**{MAX_BITS}.")
        mean, matrix, _ = components(states, dim)
        shares = np.arange(1, bins) / bins
        edges = np.quantile((states - mean) @ matrix, shares, axis=0).T  # (d, bins - 1)
        return cls({"mean": mean, "matrix": matrix, "edges": edges}, {"layout": layout}, model)

    def _decide(self, points: np.ndarray) -> np.ndarray:
        codes = (points[:, :, None] > self.arrays["edges"]).sum(2)  # (N, d)
        if self.settings["layout"] == "multi":
            return codes
        return codes @ self._weights


REDUCERS: dict[str, type[Compressed | Clustered | Hashed | Binned]] = {
    reducer.kind: reducer for reducer in (Compressed, Clustered, Hashed, Binned)
}
"""Every reducer by its kind."""


def load_reducer(path: Path) -> Reducer:
    """The reducer that `save` wrote.

    Raises:
        ValueError: If the file holds none.
    """
    arrays, header = read_arrays(path, list(REDUCERS))
    if "centres" in arrays:  # written by version 0.1.0
        arrays["centers"] = arrays.pop("centres")
    return REDUCERS[header["kind"]](arrays, header["settings"], header["model"])


def components(states: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Principal components of standardized states (S, D), the strongest first.

    Returns:
        Mean (D,); matrix (D, d) that gives each component unit variance; deviations (d,) of the
        components before.

    Raises:
        ValueError: If there are fewer than 2 states, or fewer than d components that vary.
    """
    check_count("dim", dim)
    mean, scale = _standard(states)
    centered = (states - mean) / scale
    variances, axes = principal_axes(centered, dim)
    varying = int((variances > 1e-9 * variances[0]).sum())
    if dim > varying:
        raise ValueError(
            f"Got dim={dim} for {len(states)} states that vary in {varying} dimensions; allowed: "
            f"1 to {varying}. Sample more states, or lower dim."
        )
    deviations = np.sqrt(variances[:dim])
    return mean, axes / scale[:, None] / deviations, deviations


def _standard(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation (D,) of states (S, D); 1 for features that do not vary."""
    if states.ndim != 2 or len(states) < 2:
        raise ValueError(f"Got states of shape {states.shape}; allowed: (S, D), S >= 2.")
    deviation = states.std(0, dtype=np.float64)
    return states.mean(0, dtype=np.float64), np.where(deviation > 1e-6, deviation, 1.0)
