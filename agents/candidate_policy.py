"""Policies that judge each candidate by the same small network, whatever its place.

Owns the network's shape. Knows nothing of texts: columns of an observation are all it sees.
"""

from collections.abc import Sequence

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
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
        space, arch = self.action_space, self.net_arch
        self.mlp_extractor = _Judge(self.features_dim, space, arch, self.activation_fn)  # type: ignore[assignment]  # has the same methods

    def _build(self, lr_schedule: Schedule) -> None:
        super()._build(lr_schedule)
        assert isinstance(self.mlp_extractor, _Judge)
        self.mlp_extractor.begin_as_the_model()  # Stable-Baselines3 has just drawn its weights
        self.action_net = nn.Identity()  # the judge gives logits
        self.optimizer = self.optimizer_class(
            self.parameters(),
            lr=lr_schedule(1),  # type: ignore[call-arg]  # as Stable-Baselines3 itself does
            **self.optimizer_kwargs,
        )


class CandidateQPolicy(DQNPolicy):
    """The same for DQN: values are a state's, plus what a candidate adds to it.

    A candidate adds its log-probability, in units of `NATS`, and what a network says: untrained it
    takes the language model's best. For observation="candidates".

    Source: dueling networks, Wang et al. 2015, https://arxiv.org/abs/1511.06581.
    """

    def make_q_net(self) -> QNetwork:
        """A network, and the same for its target."""
        network = super().make_q_net()
        arguments = (network.features_dim, network.action_space, network.net_arch)
        network.q_net = _Values(_Judge(*arguments, network.activation_fn))  # type: ignore[assignment]  # is called alike
        return network.to(self.device)


class _Values(nn.Module):
    """Values (N, K) of candidates, from columns (N, c K + 1)."""

    def __init__(self, judge: "_Judge") -> None:
        super().__init__()
        self.judge, self.state = judge, nn.Linear(judge.latent_dim_vf, 1)
        nn.init.zeros_(self.state.weight)
        nn.init.zeros_(self.state.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """What the state is worth, and what each candidate adds to that."""
        added, latent = self.judge(features)
        return self.state(latent) + added / NATS


class _Judge(nn.Module):
    """Logits (N, K) of candidates, and what the value is read off, from columns (N, c K + 1).

    Args:
        size: c K + 1.
        space: Discrete(K).
        arch: Widths of the layers that judge a candidate, and of those before the value, alike or
            by the names "pi" and "vf".
        activation: After each of them.

    Raises:
        TypeError: If these are no observations of candidates.
    """

    def __init__(
        self,
        size: int,
        space: spaces.Space,
        arch: list[int] | dict[str, list[int]],
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        self._count = int(space.n) if isinstance(space, spaces.Discrete) else 0
        if size not in [columns * self._count + 1 for columns in COLUMNS]:
            raise TypeError(
                f"CandidatePolicy got observations of {size} numbers for actions {space}; it and "
                "CandidateQPolicy need env.kwargs.observation: candidates, and actions top_k or "
                "choices"
            )
        widths = arch if isinstance(arch, dict) else {"pi": arch, "vf": arch}
        seen = 2 * (size // self._count) + 1
        layers = _layers(seen, widths["pi"], activation)
        self.score = nn.Sequential(*layers, nn.Linear([seen, *widths["pi"]][-1], 1))
        self.value = nn.Sequential(*_layers(size, widths["vf"], activation))
        self.latent_dim_pi, self.latent_dim_vf = self._count, [size, *widths["vf"]][-1]
        self.begin_as_the_model()

    def begin_as_the_model(self) -> None:
        """Lets the network add nothing yet."""
        last = self.score[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

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
