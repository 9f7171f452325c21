"""Reducers map observation vectors to a few numbers, or to one discrete state.

Each is fitted on sampled states of one model. It projects a state affinely, and then clips it, or
finds the nearest center, the signs, or the bins. Owns the fitting and the files. Knows nothing of
environments.
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
"""`Compressed` clips components here; standard deviations."""

MAX_BITS = 24
"""Most bits of `Hashed`: a table of float64 values for 16 actions then takes 2 GiB."""

Layout = Literal["discrete", "multi"]


class Reducer(ABC):
    """A fitted map from states (N, D) to a small space.

    Attributes:
        kind: Name in `REDUCERS`.
        space: Space of one reduced state.
        model: `lm_envs.model.loading.fingerprint` of the model whose states it was fitted on.
        arrays: The fitted arrays; `mean` (D,) and `matrix` (D, d) are the projection.
        settings: Options that do not follow from the arrays; plain values.
    """

    kind: ClassVar[str]
    space: gym.Space[Any]

    def __init__(self, arrays: dict[str, np.ndarray], settings: dict[str, Any], model: str) -> None:
        self.arrays, self.settings, self.model = arrays, settings, model

    @property
    def num_features(self) -> int:
        """D, number of features of a state."""
        return len(self.arrays["mean"])

    def transform(self, states: np.ndarray) -> np.ndarray:
        """Returns the reduced states of N states (N, D); row i depends on state i alone.

        Raises:
            ValueError: If the states have another number of features.
        """
        states = np.asarray(states)
        if states.ndim != 2 or states.shape[1] != self.num_features:
            raise ValueError(
                f"Got states of shape {states.shape}; allowed: (N, {self.num_features}), as this "
                "reducer was fitted on. Fit one on this environment."
            )
        # Row by row: a product of all rows can round differently, and move a row across an edge.
        centered = (states - self.arrays["mean"])[:, None]  # (N, 1, D)
        return self._decide((centered @ self.arrays["matrix"])[:, 0])

    def save(self, path: Path) -> None:
        """Writes one safetensors file with a JSON header."""
        header = {"kind": self.kind, "settings": self.settings, "model": self.model}
        write_arrays(path, self.arrays, header)

    @abstractmethod
    def _decide(self, points: np.ndarray) -> np.ndarray:
        """Returns the reduced states of N projected states (N, d) float64."""


class Compressed(Reducer):
    """The leading principal components, in standard deviations, clipped at 10: `Box(d,)`.

    Features are standardized first, so that the result does not depend on their units.
    """

    kind = "compressed"

    def __init__(self, *fitted: Any) -> None:  # noqa: ANN401 - as Reducer
        super().__init__(*fitted)
        size = self.arrays["matrix"].shape[1]
        self.space = gym.spaces.Box(-BOUND, BOUND, (size,), np.float32)

    @classmethod
    def fit(cls, states: np.ndarray, *, model: str, dim: int = 16) -> Self:
        """Returns a reducer with `dim` components of states (S, D)."""
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
        """Returns a reducer with centers fitted on `dim` components of states (S, D).

        Each component keeps its standard deviation, so that strong ones count more.
        """
        check_count("num_clusters", num_clusters)
        mean, matrix, deviations = components(states, dim)
        matrix = matrix * deviations
        points = (states - mean) @ matrix
        centers = k_means(points, num_clusters, np.random.default_rng(seed))
        return cls({"mean": mean, "matrix": matrix, "centers": centers}, {}, model)

    def _decide(self, points: np.ndarray) -> np.ndarray:
        return nearest(points, self.arrays["centers"])


class Hashed(Reducer):
    """The side of each of b random hyperplanes through the mean state: `Discrete(2**b)`.

    States at a small angle share most of their bits. Source: Charikar 2002,
    https://doi.org/10.1145/509907.509965; counts of such codes help exploration: Tang et al. 2017,
    https://arxiv.org/abs/1611.04717.
    """

    kind = "hashed"

    def __init__(self, *fitted: Any) -> None:  # noqa: ANN401 - as Reducer
        super().__init__(*fitted)
        self._weights = 2 ** np.arange(self.arrays["matrix"].shape[1])
        self.space = gym.spaces.Discrete(2 ** len(self._weights))

    @classmethod
    def fit(cls, states: np.ndarray, *, model: str, bits: int = 8, seed: int = 0) -> Self:
        """Returns a reducer with random hyperplanes for standardized states (S, D)."""
        check_count("bits", bits)
        if bits > MAX_BITS:
            raise ValueError(f"Got bits={bits}; allowed: 1 to {MAX_BITS}.")
        mean, scale = _standard(states)
        planes = np.random.default_rng(seed).normal(size=(len(mean), bits))
        return cls({"mean": mean, "matrix": planes / scale[:, None]}, {}, model)

    def _decide(self, points: np.ndarray) -> np.ndarray:
        return (points > 0) @ self._weights


class Binned(Reducer):
    """The quantile of each of the d leading principal components.

    With the layout "discrete" one number of `Discrete(bins**d)`, whose most significant digit is
    the first component; with "multi" d numbers of `MultiDiscrete([bins] * d)`.
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
        """Returns a reducer whose bins divide the states (S, D) evenly along each component."""
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
    """Returns the reducer that `save` wrote.

    Raises:
        ValueError: If the file contains no reducer.
    """
    arrays, header = read_arrays(path, list(REDUCERS))
    if "centres" in arrays:  # written by version 0.1.0
        arrays["centers"] = arrays.pop("centres")
    return REDUCERS[header["kind"]](arrays, header["settings"], header["model"])


def components(states: np.ndarray, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes the principal components of standardized states (S, D), the strongest first.

    Returns:
        Mean (D,); matrix (D, d) of the projection to components of unit variance; their standard
        deviations (d,) before that scaling.

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
    """Returns mean and standard deviation (D,) of states (S, D); 1 for constant features."""
    if states.ndim != 2 or len(states) < 2:
        raise ValueError(f"Got states of shape {states.shape}; allowed: (S, D), S >= 2.")
    deviation = states.std(0, dtype=np.float64)
    return states.mean(0, dtype=np.float64), np.where(deviation > 1e-6, deviation, 1.0)
