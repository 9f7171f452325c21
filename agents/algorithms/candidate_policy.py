"""Policies that judge each candidate by the same small network, whatever its place.

Owns the network's shape. Knows nothing of texts: columns of an observation are all it sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn

from agents.evaluation.baselines import BELIEF
from lm_envs.envs.observations.features import LOWEST_LOGPROB

COLUMNS = (2, 3, 4)
"""Of each candidate: a line's log-probability and openness; a word's, its repeat and echo; and,
where words are copied, the pointer's share."""

POINTED = 3
"""The pointer's share is this column."""

NATS = 5.0
"""Log-probabilities are divided by this before a network sees them: most lie in [-3, 0] then."""

CONTEXT = 16
"""Numbers that a network keeps of a text: more would tell texts apart, and learn them."""

LEAST = 1e-8
"""A candidate's probability is taken to be at least this."""


class CandidatePolicy(ActorCriticPolicy):
    """Logits are the language model's log-probabilities and what a network adds to each.

    Untrained it samples as the model does. The network sees of each candidate its own columns,
    those of the likeliest candidate and the share left; its weights are the same for every
    candidate, so that little has to be learned from few texts. For observation="candidates".

    With observation="hidden" or "embeddings" it also sees `CONTEXT` numbers that it learns to read
    off the hidden state or the embeddings. Where words are copied it also sees the candidate that
    the pointer points to most, and begins as a mixture of model and pointer, whose share it learns.
    Observations have to be the environment's own: normalized, they no longer tell probabilities.

    Sources: policies as a learned residual, Johannink et al. 2018,
    https://arxiv.org/abs/1812.03201; a mixture with a pointer, Merity et al. 2016,
    https://arxiv.org/abs/1609.07843.
    """

    def _build_mlp_extractor(self) -> None:
        shown, actions = self.observation_space, self.action_space
        judge = _Judge(shown, actions, self.net_arch, self.activation_fn)
        self.mlp_extractor = judge  # type: ignore[assignment]  # has the same methods

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
    takes the best of the language model, or of its mixture with the pointer.

    Source: dueling networks, Wang et al. 2015, https://arxiv.org/abs/1511.06581.
    """

    def make_q_net(self) -> QNetwork:
        """A network, and the same for its target."""
        network = super().make_q_net()
        arguments = (self.observation_space, network.action_space, network.net_arch)
        network.q_net = _Values(_Judge(*arguments, network.activation_fn))  # type: ignore[assignment]  # is called alike
        return network.to(self.device)


class _Values(nn.Module):
    """Values (N, K) of candidates, from observations."""

    def __init__(self, judge: "_Judge") -> None:
        super().__init__()
        self.judge, self.state = judge, nn.Linear(judge.latent_dim_vf, 1)
        nn.init.zeros_(self.state.weight)
        nn.init.zeros_(self.state.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """What the state is worth, and what each candidate adds to that."""
        added, latent = self.judge(features)
        return self.state(latent) + added / NATS


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where an observation's numbers stand: T + c K + 1 from left to right.

    Attributes:
        text: T, numbers of a hidden state or of embeddings; 0 where none are shown.
        columns: c, numbers of each candidate, a column after the other.
        candidates: K. The share left stands last.
    """

    text: int
    columns: int
    candidates: int

    @classmethod
    def of(cls, observations: spaces.Space, actions: spaces.Space) -> "_Layout":
        """Read off the bounds: only log-probabilities lie in [`LOWEST_LOGPROB`, 0].

        Raises:
            TypeError: If these are no observations of candidates.
        """
        if isinstance(observations, spaces.Box) and isinstance(actions, spaces.Discrete):
            count = int(actions.n)
            is_logprob = (observations.low == LOWEST_LOGPROB) & (observations.high == 0.0)
            text = int(np.argmax(is_logprob))
            columns, rest = divmod(observations.low.size - text - 1, count)
            if columns in COLUMNS and rest == 0 and is_logprob[text : text + count].all():
                return cls(text, columns, count)
        raise TypeError(
            f"CandidatePolicy got observations of shape {observations.shape}; it and "
            "CandidateQPolicy need actions top_k or choices, and observations that show them with "
            "their log-probabilities: candidates, hidden or embeddings"
        )


class _Judge(nn.Module):
    """Logits (N, K) of candidates, and what the value is read off, from observations.

    Args:
        observations: Shows candidates.
        actions: Discrete(K).
        arch: Widths of the layers that judge a candidate, and of those before the value, alike or
            by the names "pi" and "vf".
        activation: After each of them.

    Raises:
        TypeError: If these are no observations of candidates.
    """

    def __init__(
        self,
        observations: spaces.Space,
        actions: spaces.Space,
        arch: list[int] | dict[str, list[int]],
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        layout = self._layout = _Layout.of(observations, actions)
        self._points = layout.columns > POINTED
        named = arch if isinstance(arch, dict) else {"pi": arch, "vf": arch}
        widths = {"pi": [], "vf": [], **named}
        seen = (3 if self._points else 2) * layout.columns + 1 + (CONTEXT if layout.text else 0)
        size = layout.columns * layout.candidates + 1
        layers = _layers(seen, widths["pi"], activation)
        self.score = nn.Sequential(*layers, nn.Linear([seen, *widths["pi"]][-1], 1))
        self.value = nn.Sequential(*_layers(size, widths["vf"], activation))
        self.latent_dim_pi, self.latent_dim_vf = layout.candidates, [size, *widths["vf"]][-1]
        if layout.text:
            self.context = nn.Linear(layout.text, CONTEXT)
        if self._points:
            self.belief = nn.Parameter(torch.tensor(BELIEF).logit())
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
        text, features = features.tensor_split([self._layout.text], 1)
        columns = features[:, :-1].unflatten(1, (self._layout.columns, -1)).mT  # (N, K, c)
        begin = self._prior(columns)
        columns = torch.cat([columns[:, :, :1] / NATS, columns[:, :, 1:]], 2)
        seen = [columns, columns[:, :1].expand_as(columns), self._spread(features[:, -1:])]
        if self._points:
            most = columns[:, :, POINTED].argmax(1)
            pointed = columns[torch.arange(len(most)), most][:, None]
            seen.append(pointed.expand_as(columns))
        if self._layout.text:
            normal = nn.functional.layer_norm(text, text.shape[1:])
            seen.append(self._spread(self.context(normal)))
        return begin + self.score(torch.cat(seen, 2)).squeeze(2)

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """The value's latent (N, width), from the candidates and the share left."""
        features = features[:, self._layout.text :]
        scale = torch.ones_like(features)
        scale[:, : self._layout.candidates] = 1 / NATS
        return self.value(features * scale)

    def _prior(self, columns: torch.Tensor) -> torch.Tensor:
        """Logits (N, K) of the model, or of its mixture with the pointer."""
        logprobs = columns[:, :, 0]
        if not self._points:
            return logprobs
        belief = self.belief.sigmoid()
        mixed = (1.0 - belief) * logprobs.exp() + belief * columns[:, :, POINTED]
        return mixed.clamp(min=LEAST).log()

    def _spread(self, numbers: torch.Tensor) -> torch.Tensor:
        """Numbers (N, n) of each row beside each of its candidates, (N, K, n)."""
        return numbers[:, None].expand(-1, self._layout.candidates, -1)


def _layers(size: int, widths: Sequence[int], activation: type[nn.Module]) -> list[nn.Module]:
    sizes = zip([size, *widths], widths, strict=False)
    return [module for pair in sizes for module in (nn.Linear(*pair), activation())]
