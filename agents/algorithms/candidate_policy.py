"""Policies that score each candidate by the same small network, whatever its rank.

Owns the network's shape. Knows nothing of texts: its input are named columns of an observation.
"""

from dataclasses import dataclass

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.dqn.policies import DQNPolicy, QNetwork
from torch import nn

from agents.algorithms.layers import layers, silence, take_logits_from_extractor
from lm_envs.envs.actions.pointer import POINTER_WEIGHT
from lm_envs.envs.observations.base import ColumnBox
from lm_envs.envs.observations.features import AXIS

POINTER = 3
"""The pointer's shares are this column of a candidate."""

NATS = 5.0
"""Log-probabilities are divided by this before a network sees them: most lie in [-3, 0] then."""

CONTEXT = 16
"""Numbers kept of a text: with more, the network would learn single texts by heart."""

LEAST = 1e-8
"""Lower bound of a candidate's probability, for its logarithm."""


class CandidatePolicy(ActorCriticPolicy):
    """Logits are the language model's log-probabilities plus what a network adds to each.

    Untrained it samples as the model does. For each candidate the network reads the candidate's own
    columns, those of the most likely candidate and the share of the budget left. Its weights are
    the same for every candidate, so that little has to be learned from few texts. Made for
    observation="candidates".

    With the option `axes` of the actions the network also reads where each candidate lies among the
    token embeddings. With observation="hidden" or "embeddings" it also reads `CONTEXT` numbers, a
    learned linear map of the hidden state or the embeddings. With copied tokens it also reads the
    candidate with the largest pointer share, and starts as a mixture of model and pointer with a
    learned weight. Further features whose columns begin with "candidate_" are read as the
    candidate's own. Observations must not be normalized: they hold log-probabilities.

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
        self.mlp_extractor.begin_as_the_model()  # after Stable-Baselines3's initialization
        take_logits_from_extractor(self, lr_schedule)


class CandidateQPolicy(DQNPolicy):
    """The same network for DQN: the value of the state, plus what each candidate adds to it.

    A candidate adds its log-probability, in units of `NATS`, plus the output of a network.
    Untrained it takes the most likely candidate of the language model, or of its mixture with the
    pointer.

    Source: dueling networks, Wang et al. 2015, https://arxiv.org/abs/1511.06581.
    """

    def make_q_net(self) -> QNetwork:
        """Returns the Q-network; called for the target network too."""
        network = super().make_q_net()
        arguments = (self.observation_space, network.action_space, network.net_arch)
        network.q_net = _Values(_Judge(*arguments, network.activation_fn))  # type: ignore[assignment]  # is called alike
        return network.to(self.device)


class _Values(nn.Module):
    """Maps observations to values (N, K) of candidates."""

    def __init__(self, judge: "_Judge") -> None:
        super().__init__()
        self.judge, self.state = judge, nn.Linear(judge.latent_dim_vf, 1)
        nn.init.zeros_(self.state.weight)
        nn.init.zeros_(self.state.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the value of the state plus what each candidate adds to it, (N, K)."""
        added, latent = self.judge(features)
        return self.state(latent) + added / NATS


TEXT_COLUMNS = ("hidden", "text_mean", "last_tokens")
"""Columns of an observation that show the text."""

CANDIDATE_COLUMNS = (
    *("choice_logprobs", "choice_enabled"),
    *("candidate_logprobs", "candidate_repeats", "candidate_echoes", "pointer_shares"),
)
"""Columns that hold one number for each candidate; the log-probabilities come first."""

LEFT_COLUMNS = ("budget_left", "turns_left")

FURTHER = "candidate_"
"""Beginning of the names of further features with a number for each candidate; behind the rest."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where the numbers of an observation are: T + c K + 1 + f K from left to right.

    Attributes:
        text: T, numbers of a hidden state or of embeddings; 0 without.
        columns: c, numbers of each candidate, one column after the other.
        further: f, numbers of each candidate that further features show.
        candidates: K.
        has_pointer: Whether the last column holds the pointer's shares.
    """

    text: int
    columns: int
    further: int
    candidates: int
    has_pointer: bool

    @classmethod
    def from_spaces(cls, observations: spaces.Space, actions: spaces.Space) -> "_Layout":
        """Reads the layout from the names of the observation's columns.

        Raises:
            TypeError: If the observations do not show candidates and nothing else beside the text
                and the share left.
        """
        if isinstance(observations, ColumnBox) and isinstance(actions, spaces.Discrete):
            names = list(observations.columns)
            sizes = {name: part.stop - part.start for name, part in observations.columns.items()}
            own = [n for n in names if n in CANDIDATE_COLUMNS or n.startswith(AXIS)]
            text = [name for name in names if name in TEXT_COLUMNS]
            left = [name for name in names if name in LEFT_COLUMNS]
            further = [n for n in names if n.startswith(FURTHER) and n not in own]
            is_known = names == [*text, *own, *left, *further] and len(left) == 1
            has_logprobs = bool(own) and own[0].endswith("_logprobs")
            every = {sizes[name] for name in (*own, *further)}
            if is_known and has_logprobs and every == {int(actions.n)}:
                width, has_pointer = sum(sizes[name] for name in text), "pointer_shares" in own
                return cls(width, len(own), len(further), int(actions.n), has_pointer)
        shape, found = observations.shape, getattr(observations, "columns", None)
        raise TypeError(
            f"CandidatePolicy got observations of shape {shape} with columns "
            f"{list(found) if found else None}; it and CandidateQPolicy need actions top_k or "
            "choices, and observations that show them with their log-probabilities: candidates, "
            "hidden or embeddings"
        )


class _Judge(nn.Module):
    """Maps observations to logits (N, K) of candidates, and to the latent of the value.

    Args:
        observations: Show candidates.
        actions: Discrete(K).
        arch: Widths of the layers that score a candidate, and of those before the value: the same,
            or by the names "pi" and "vf".
        activation: After each of them.

    Raises:
        TypeError: If the observations do not show candidates.
    """

    def __init__(
        self,
        observations: spaces.Space,
        actions: spaces.Space,
        arch: list[int] | dict[str, list[int]],
        activation: type[nn.Module],
    ) -> None:
        super().__init__()
        layout = self._layout = _Layout.from_spaces(observations, actions)
        self._points = layout.has_pointer
        named = arch if isinstance(arch, dict) else {"pi": arch, "vf": arch}
        widths = {"pi": [], "vf": [], **named}
        count = layout.columns + layout.further
        seen = (3 if self._points else 2) * count + 1 + (CONTEXT if layout.text else 0)
        size = count * layout.candidates + 1
        scored = [seen, *widths["pi"]]
        self.score = nn.Sequential(*layers(scored, activation), nn.Linear(scored[-1], 1))
        self.value = nn.Sequential(*layers([size, *widths["vf"]], activation))
        self.latent_dim_pi, self.latent_dim_vf = layout.candidates, [size, *widths["vf"]][-1]
        if layout.text:
            self.context = nn.Linear(layout.text, CONTEXT)
        if self._points:
            self.belief = nn.Parameter(torch.tensor(POINTER_WEIGHT).logit())
        self.begin_as_the_model()

    def begin_as_the_model(self) -> None:
        """Lets the network add nothing yet."""
        silence(self.score)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns logits (N, K) and the value's latent (N, width)."""
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: torch.Tensor) -> torch.Tensor:
        """Returns logits (N, K)."""
        layout = self._layout
        end = layout.text + layout.columns * layout.candidates
        text, own, left, further = features.tensor_split([layout.text, end, end + 1], 1)
        shown = torch.cat([own, further], 1) if layout.further else own
        columns = shown.unflatten(1, (layout.columns + layout.further, -1)).mT  # (N, K, c + f)
        begin = self._prior(columns)
        columns = torch.cat([columns[:, :, :1] / NATS, columns[:, :, 1:]], 2)
        seen = [columns, columns[:, :1].expand_as(columns), self._spread(left)]
        if self._points:
            most = columns[:, :, POINTER].argmax(1)
            index = most[:, None, None].expand(-1, 1, columns.shape[2])
            pointed = columns.gather(1, index)  # (N, 1, c)
            seen.append(pointed.expand_as(columns))
        if layout.text:
            normal = nn.functional.layer_norm(text, text.shape[1:])
            seen.append(self._spread(self.context(normal)))
        return begin + self.score(torch.cat(seen, 2)).squeeze(2)

    def forward_critic(self, features: torch.Tensor) -> torch.Tensor:
        """Returns the value's latent (N, width), from the candidates and the share left."""
        features = features[:, self._layout.text :]
        scale = torch.ones_like(features)
        scale[:, : self._layout.candidates] = 1 / NATS
        return self.value(features * scale)

    def _prior(self, columns: torch.Tensor) -> torch.Tensor:
        """Returns logits (N, K) of the model, or of its mixture with the pointer."""
        logprobs = columns[:, :, 0]
        if not self._points:
            return logprobs
        belief = self.belief.sigmoid()
        mixed = (1.0 - belief) * logprobs.exp() + belief * columns[:, :, POINTER]
        return mixed.clamp(min=LEAST).log()

    def _spread(self, numbers: torch.Tensor) -> torch.Tensor:
        """Returns numbers (N, n) of each row, repeated for each of its candidates, (N, K, n)."""
        return numbers[:, None].expand(-1, self._layout.candidates, -1)
