"""A policy that scores each entry of a KV cache by the same network: for evictions.

Owns the network's shape. Knows nothing of models: its input are named columns of an observation.
"""

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

from agents.algorithms.layers import layers, silence, take_logits_from_extractor
from agents.baselines.rules.tuning.eviction import FOUND
from lm_envs.envs.observations.base import ColumnBox
from lm_envs.envs.tuning.cache_entries import HEADS, NAMES

SHARPNESS = 4.0
"""Factor of the weights of the rule, whose negative is an entry's first logit."""


class EntryPolicy(ActorCriticPolicy):
    """The logit of an eviction is a weighted sum of the entry's columns, plus a network's output.

    The weights are learned; untrained it evicts as the rule "weighted entries" does. The network
    has the same weights for every entry. It reads the entry's columns, the mean over what it
    encodes of all entries, and the columns that all entries share.

    Made for `lm_envs/CacheEviction-v0`.

    Source: networks over sets, Zaheer et al. 2017, https://arxiv.org/abs/1703.06114.
    """

    def _build_mlp_extractor(self) -> None:
        widths = self.net_arch if isinstance(self.net_arch, list) else self.net_arch["pi"]
        judge = _EntryJudge(self.observation_space, widths, self.activation_fn)
        self.mlp_extractor = judge  # type: ignore[assignment]  # has the same methods

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        assert isinstance(self.mlp_extractor, _EntryJudge)
        silence(self.mlp_extractor.score)  # after Stable-Baselines3's initialization
        silence(self.mlp_extractor.value)
        take_logits_from_extractor(self, lr_schedule)


class _EntryJudge(nn.Module):
    """Maps observations to logits (N, C), and to the value's latent (N, width).

    Args:
        observations: Have the columns `NAMES`, of C numbers each, before all others, then perhaps
            `HEADS`.
        widths: Of the layers that encode an entry; the last is that of all other layers.
        activation: After each of them.

    Raises:
        TypeError: If the observations have no such columns.
    """

    low: torch.Tensor
    range: torch.Tensor

    def __init__(
        self, observations: spaces.Space, widths: list[int], activation: type[nn.Module]
    ) -> None:
        super().__init__()
        columns = observations.columns if isinstance(observations, ColumnBox) else {}
        if tuple(columns)[: len(NAMES)] != NAMES or not widths:
            raise TypeError(
                f"EntryPolicy got observations with columns {list(columns) or None} and net_arch="
                f"{widths}; it needs lm_envs/CacheEviction-v0, and one width or more"
            )
        assert isinstance(observations, ColumnBox)
        self._entries, width = columns[NAMES[0]].stop, widths[-1]
        own = columns[HEADS].stop if HEADS in columns else len(NAMES) * self._entries
        self._own, count = own, own // self._entries
        low, high = torch.from_numpy(observations.low), torch.from_numpy(observations.high)
        self.register_buffer("low", low)
        self.register_buffer("range", high - low)
        self.weights = nn.Parameter(-SHARPNESS * torch.tensor(FOUND))
        shared, sizes = len(low) - own, [count, *widths]
        self.encode_policy = nn.Sequential(*layers(sizes, activation))
        self.encode_value = nn.Sequential(*layers(sizes, activation))
        self.score = nn.Sequential(
            *layers([2 * width + shared, width], activation), nn.Linear(width, 1)
        )
        self.value = nn.Sequential(
            *layers([width + shared, width], activation), nn.Linear(width, width)
        )
        self.latent_dim_pi, self.latent_dim_vf = self._entries, width

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns logits (N, C) and the value's latent (N, width)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the logits (N, C) of evicting each entry, the oldest first."""
        encoded, seen = self._read(features, self.encode_policy)
        seen = seen[:, None].expand(-1, self._entries, -1)
        added = self.score(torch.cat([encoded, seen], 2)).squeeze(2)
        named = self._columns(features)[:, :, : len(NAMES)]
        return named @ self.weights + added

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the value's latent (N, width)."""
        return self.value(self._read(features, self.encode_value)[1])

    def _columns(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the columns of each entry, (N, C, 8) or with those of H heads (N, C, 8 + H)."""
        return features[:, : self._own].unflatten(1, (-1, self._entries)).transpose(1, 2)

    def _read(self, features: torch.Tensor, encode: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the encoded entries (N, C, width), and what all entries share (N, shared)."""
        scaled = 2.0 * (features - self.low) / self.range - 1.0
        encoded = encode(self._columns(scaled))
        return encoded, torch.cat([encoded.mean(1), scaled[:, self._own :]], 1)
