"""A policy that judges each candidate by the same small network, whatever its place.

Owns the network's shape. Knows nothing of texts: columns of an observation are all it sees.
"""

from collections.abc import Sequence

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from torch import nn

COLUMNS = (2, 3)
"""Of each candidate: a line's log-probability and openness; a word's, and its repeat and echo."""

NATS = 5.0
"""Log-probabilities are divided by this before a network sees them: most lie in [-3, 0] then."""


class CandidatePolicy(ActorCriticPolicy):
    """Logits are the language model's log-probabilities and what a network adds to each.

    Untrained it samples as the model does. The network sees of each candidate its own columns,
    those of the likeliest candidate and the share left; its weights are the same for every
    candidate, so that little has to be learned from few texts. For observation="candidates".

    Source: policies as a learned residual, Johannink et al. 2018, https://arxiv.org/abs/1812.03201.
    """

    def _build_mlp_extractor(self) -> None:
        size, space = self.features_dim, self.action_space
        count = int(space.n) if isinstance(space, spaces.Discrete) else 0
        if size not in [columns * count + 1 for columns in COLUMNS]:
            raise TypeError(
                f"CandidatePolicy got observations of {size} numbers for actions {space}; it needs "
                "env.kwargs.observation: candidates, and actions top_k or choices"
            )
        arch = self.net_arch
        widths = arch if isinstance(arch, dict) else {"pi": arch, "vf": arch}
        self.mlp_extractor = _Judge(size, count, widths["pi"], widths["vf"], self.activation_fn)  # type: ignore[assignment]  # has the same methods

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        assert isinstance(self.mlp_extractor, _Judge)
        last = self.mlp_extractor.score[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        self.action_net = nn.Identity()  # the judge gives logits
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]  # as Stable-Baselines3 itself does
            **self.optimizer_kwargs,
        )


class _Judge(nn.Module):
    """Logits (N, K) of candidates, and what the value is read off, from columns (N, c K + 1).

    Args:
        size: c K + 1.
        num_candidates: K.
        policy_widths: Of the layers that judge a candidate.
        value_widths: Of the layers before the value.
        activation: After each of them.
    """

    def __init__(
        self,
        size: int,
        num_candidates: int,
        policy_widths: Sequence[int],
        value_widths: Sequence[int],
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        self._count = num_candidates
        seen = 2 * (size // num_candidates) + 1
        layers = _layers(seen, policy_widths, activation)
        self.score = nn.Sequential(*layers, nn.Linear([seen, *policy_widths][-1], 1))
        self.value = nn.Sequential(*_layers(size, value_widths, activation))
        self.latent_dim_pi, self.latent_dim_vf = num_candidates, [size, *value_widths][-1]

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits and the value's latent."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (N, K)."""
        columns = features[:, :-1].unflatten(1, (-1, self._count)).transpose(1, 2)  # (N, K, c)
        logprobs = columns[:, :, 0]
        columns = torch.cat([columns[:, :, :1] / NATS, columns[:, :, 1:]], 2)
        first = columns[:, :1].expand_as(columns)
        left = features[:, None, -1:].expand(-1, self._count, -1)
        return logprobs + self.score(torch.cat([columns, first, left], 2)).squeeze(2)

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """The value's latent (N, width)."""
        scale = torch.ones_like(features)
        scale[:, : self._count] = 1 / NATS
        return self.value(features * scale)


def _layers(size: int, widths: Sequence[int], activation: type[nn.Module]) -> list[nn.Module]:
    sizes = zip([size, *widths], widths, strict=False)
    return [module for pair in sizes for module in (nn.Linear(*pair), activation())]
