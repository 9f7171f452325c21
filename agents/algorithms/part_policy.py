"""A policy that scores each part of a model by the same network: for the search of structures.

Owns the network's shape. Knows nothing of models: its input are named columns of an observation.
"""

import torch
from gymnasium import spaces
from sb3_contrib.common.maskable.policies import MaskableActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from agents.algorithms.layers import layers, silence, take_logits_from_extractor
from lm_envs.envs.observations.base import ColumnBox
from lm_envs.envs.tuning.structure_search import GAINS, IS_LEFT

GAIN_SCALE = 20.0
"""Logits for each nat that a part gains: its standard deviation over parts is about 0.05 nats."""

IDENTITY = 8
"""Learned numbers that tell one part from another."""

GLOBAL = 5
"""Numbers that all parts share: the observation's last three, and two sums of gains."""


class PartPolicy(MaskableActorCriticPolicy):
    """The logit of a part's removal is what it gains alone, plus what a network adds.

    The network has the same weights for every part. It reads the part's gain alone, whether it is
    left, numbers learned for this part, the means over the parts that are left and over those that
    are removed, the fall of the loss, and how far the removed parts have cost more together than
    one by one. Another network scores the end. Untrained it prefers the parts of the highest gain.

    Made for `lm_envs/StructureSearch-v0` with `probes=True`.

    Source: networks over sets, Zaheer et al. 2017, https://arxiv.org/abs/1703.06114.
    """

    def _build_mlp_extractor(self) -> None:
        widths = self.net_arch if isinstance(self.net_arch, list) else self.net_arch["pi"]
        judge = _PartJudge(self.observation_space, widths, self.activation_fn)
        self.mlp_extractor = judge  # type: ignore[assignment]  # has the same methods

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        assert isinstance(self.mlp_extractor, _PartJudge)
        self.mlp_extractor.begin_as_the_gains()  # after Stable-Baselines3's initialization
        take_logits_from_extractor(self, lr_schedule)


class _PartJudge(nn.Module):
    """Maps observations to logits (N, 1 + P), and to the latent of the value (N, width).

    Args:
        observations: Have the columns `GAINS` and `IS_LEFT`, then three numbers.
        widths: Of the layers that encode a part; the last is that of all other layers.
        activation: After each of them.

    Raises:
        TypeError: If the observations have no such columns.
    """

    def __init__(
        self, observations: spaces.Space, widths: list[int], activation: type[nn.Module]
    ) -> None:
        super().__init__()
        columns = observations.columns if isinstance(observations, ColumnBox) else {}
        if list(columns)[:2] != [GAINS, IS_LEFT] or not widths:
            raise TypeError(
                f"PartPolicy got observations with columns {list(columns) or None} and net_arch="
                f"{widths}; it needs lm_envs/StructureSearch-v0 with probes=True, and one width "
                "or more"
            )
        self._parts = columns[GAINS].stop
        size, width = 2 + IDENTITY, widths[-1]
        self.identity = nn.Parameter(torch.randn(self._parts, IDENTITY) / IDENTITY**0.5)
        self.encode_policy = nn.Sequential(*layers([size, *widths], activation))
        self.encode_value = nn.Sequential(*layers([size, *widths], activation))
        shared = 2 * width + GLOBAL
        self.score = nn.Sequential(
            *layers([width + shared, width], activation), nn.Linear(width, 1)
        )
        self.end = nn.Sequential(*layers([shared, width], activation), nn.Linear(width, 1))
        self.value = nn.Sequential(*layers([shared, width, width], activation))
        self.latent_dim_pi, self.latent_dim_vf = 1 + self._parts, width

    def begin_as_the_gains(self) -> None:
        """Lets the networks add nothing yet."""
        silence(self.score)
        silence(self.end)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns logits (N, 1 + P) and the value's latent (N, width)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """Returns logits (N, 1 + P): of the end, and of each part's removal."""
        encoded, shared = self._read(features, self.encode_policy)
        seen = torch.cat([encoded, shared[:, None].expand(-1, self._parts, -1)], 2)
        removals = GAIN_SCALE * features[:, : self._parts] + self.score(seen).squeeze(2)
        return torch.cat([self.end(shared), removals], 1)

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the value's latent (N, width)."""
        return self.value(self._read(features, self.encode_value)[1])

    def _read(self, features: torch.Tensor, encode: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the encoded parts (N, P, width), and what all parts share (N, shared)."""
        gains, is_left, rest = features.tensor_split([self._parts, 2 * self._parts], 1)
        removed = 1.0 - is_left
        alone = (removed * gains).sum(1, keepdim=True)
        together = alone - rest[:, :1] - rest[:, 1:2]  # less the fall of the loss and the saving
        own = torch.stack([GAIN_SCALE * gains, is_left], 2)
        identity = self.identity.expand(len(features), -1, -1)
        encoded = encode(torch.cat([own, identity], 2))
        means = [(encoded * each[:, :, None]).mean(1) for each in (is_left, removed)]
        return encoded, torch.cat([*means, rest, alone, together], 1)
