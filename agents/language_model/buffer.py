"""A rollout buffer of episodes: minibatches of whole texts, each forwarded once per update.

Owns the grouping of steps by text, and of texts by prompt. Advantages are Stable-Baselines3's own,
or relative to a group.
"""

import warnings
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple, get_args

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.type_aliases import DictRolloutBufferSamples
from torch.nn.utils.rnn import pad_sequence

from lm_envs.model.kv_cache import round_up
from lm_envs.validation import check_choice

Advantage = Literal["gae", "group", "rloo"]
GROUPED: tuple[Advantage, ...] = ("group", "rloo")
"""Advantages that compare the texts of one prompt."""

TEXTS_MULTIPLE, TOKENS_MULTIPLE = 4, 32
"""On a GPU minibatches are padded to multiples of so many texts and tokens."""


class EpisodeRolloutBuffer(DictRolloutBuffer):
    """Steps of N rows, sampled by whole fragments.

    A *fragment* is a run of steps of one row in which each text is the previous one and one token;
    an episode is one fragment unless a turn or the rollout's end cuts it.

    Args:
        buffer_size: Steps per row.
        observation_space: `Dict(tokens, length)`.
        action_space: `Discrete(V)`.
        arguments: Of `DictRolloutBuffer`.
        advantage: "gae"; or one that compares the finished texts of one prompt, written by the rows
            of a group (`group_size` of the environment), and needs no critic (`vf_coef=0`):
            "group", the episode's return minus the mean of its group, divided by their standard
            deviation (Shao et al. 2024, https://arxiv.org/abs/2402.03300, GRPO), or "rloo", the
            return minus the mean of the others, whose expected gradient is that of the return
            (Ahmadian et al. 2024, https://arxiv.org/abs/2402.14740). Each token has the advantage
            of its text. Texts that the rollout cuts off, and those without another one to compare
            with, are in no minibatch. Use `normalize_advantage=False`: the mean of a minibatch
            would move advantages that are already relative.
        options: Of `DictRolloutBuffer`.

    Attributes:
        pads: Whether minibatches without common prompts are padded to sizes that repeat: a GPU
            chooses kernels and memory anew for every other size. By default on a GPU.

    Raises:
        ValueError: If the spaces are not those of token observations and token actions.
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: gym.spaces.Dict,
        action_space: gym.Space[Any],
        *arguments: Any,  # noqa: ANN401 - of DictRolloutBuffer
        advantage: Advantage = "gae",
        **options: Any,  # noqa: ANN401 - of DictRolloutBuffer
    ) -> None:
        check_spaces(observation_space, action_space)
        check_choice("advantage", advantage, get_args(Advantage))
        self._advantage: Advantage = advantage
        self._is_compared = np.ones((buffer_size, 1), bool)  # (T, N) steps that have an advantage
        super().__init__(buffer_size, observation_space, action_space, *arguments, **options)
        self.pads = torch.device(self.device).type == "cuda" and advantage not in GROUPED

    def compute_returns_and_advantage(self, last_values: torch.Tensor, dones: np.ndarray) -> None:
        """Computes returns and advantages (T, N) of a full buffer."""
        super().compute_returns_and_advantage(last_values, dones)
        if self._advantage in GROUPED:
            self._compare_groups(dones)

    def get(self, batch_size: int | None = None) -> Iterator[DictRolloutBufferSamples]:  # type: ignore[override]  # a generator there
        """Yields minibatches of whole fragments, of `batch_size` steps or a few more, shuffled.

        Fragments that are compared with each other are in one minibatch: they have a prompt in
        common, which is then forwarded once.
        """
        assert self.full, "the buffer has to be full"
        groups = [[each] for each in self._fragments()]
        if self._advantage in GROUPED:
            groups = self._compared_groups() or groups  # SB3 needs a minibatch: advantages are 0
        wanted = batch_size or self.buffer_size * self.n_envs
        chosen: list[tuple[int, int, int]] = []
        for number in np.random.permutation(len(groups)):
            chosen += groups[number]
            if sum(end - start for _, start, end in chosen) >= wanted:
                yield self._samples(chosen)
                chosen = []
        if chosen:
            yield self._samples(chosen)

    def text_sizes(self) -> tuple[int, float]:
        """Returns the length of the longest text in tokens, and the mean steps per fragment."""
        steps = self.buffer_size * self.n_envs
        return int(self.observations["length"].max()), steps / len(self._fragments())

    def _fragments(self) -> list[tuple[int, int, int]]:
        """Returns each fragment's row, first step and end."""
        tokens, lengths = self.observations["tokens"], self.observations["length"][..., 0]
        positions = np.arange(tokens.shape[2])
        is_kept = (tokens[1:] == tokens[:-1]) | (positions >= lengths[:-1, :, None])
        grows = is_kept.all(-1) & (lengths[1:] == lengths[:-1] + 1)  # (T - 1, N)
        starts = np.ones((self.buffer_size, self.n_envs), bool)
        starts[1:] = ~grows | (self.episode_starts[1:] > 0)
        fragments = []
        for row in range(self.n_envs):
            firsts = np.flatnonzero(starts[:, row])
            ends = [*firsts[1:].tolist(), self.buffer_size]
            fragments += [
                (row, first, end) for first, end in zip(firsts.tolist(), ends, strict=True)
            ]
        return fragments

    def _compared_groups(self) -> list[list[tuple[int, int, int]]]:
        """Returns the fragments that have an advantage, those of one prompt together."""
        groups: dict[bytes, list[tuple[int, int, int]]] = {}
        for row, start, end in self._fragments():
            if self._is_compared[start, row]:
                key = self.observations["tokens"][start, row].tobytes()
                groups.setdefault(key, []).append((row, start, end))
        return list(groups.values())

    def _samples(self, fragments: list[tuple[int, int, int]]) -> DictRolloutBufferSamples:
        rows = np.concatenate([np.full(end - start, row) for row, start, end in fragments])
        steps = np.concatenate([np.arange(start, end) for _, start, end in fragments])
        sizes = [end - start for _, start, end in fragments]
        last = ([end - 1 for _, _, end in fragments], [row for row, _, _ in fragments])
        lengths = self.observations["length"]
        longest = int(lengths[last].max())  # read here, on the host: a GPU would be waited for
        missing = 0
        if self.pads:
            longest, missing = round_up(longest, TOKENS_MULTIPLE), -len(fragments) % TEXTS_MULTIPLE
        observations = {  # no step refers to the texts that padding adds
            "tokens": np.pad(
                self.observations["tokens"][last][:, :longest], ((0, missing), (0, 0))
            ),
            "length": np.pad(lengths[last], ((0, missing), (0, 0)), constant_values=1),
            "episode": np.repeat(np.arange(len(fragments)), sizes),
            "position": lengths[steps, rows, 0],
        }
        if self._advantage in GROUPED:
            first = ([start for _, start, _ in fragments], last[1])
            observations["prompt"] = lengths[first][:, 0]
        return DictRolloutBufferSamples(
            observations={name: self.to_torch(values) for name, values in observations.items()},
            actions=self.to_torch(self.actions[steps, rows].astype(np.float32)),
            old_values=self.to_torch(self.values[steps, rows]),
            old_log_prob=self.to_torch(self.log_probs[steps, rows]),
            advantages=self.to_torch(self.advantages[steps, rows]),
            returns=self.to_torch(self.returns[steps, rows]),
        )

    def _compare_groups(self, dones: np.ndarray) -> None:
        """Sets advantages (T, N) relative to the finished episodes of the same prompt.

        They are 0 for other steps, which `get` leaves out.
        """
        self.advantages[...] = 0.0
        self._is_compared = np.zeros(self.advantages.shape, bool)
        for episodes in self._finished_episodes(dones):
            if len(episodes) < 2:
                continue
            values = np.array([self.rewards[start:end, row].sum() for row, start, end in episodes])
            relative = relative_to_group(values.astype(np.float64), self._advantage)
            for (row, start, end), advantage in zip(episodes, relative, strict=True):
                self.advantages[start:end, row] = advantage
                self._is_compared[start:end, row] = True
        if not self._is_compared.any():
            warnings.warn(
                "No prompt of this rollout has two finished texts, so nothing is learned from it; "
                "raise n_steps, best to several times the tokens of a text.",
                UserWarning,
                stacklevel=2,
            )

    def _finished_episodes(self, dones: np.ndarray) -> list[list[tuple[int, int, int]]]:
        """Returns row, first step and end of the whole episodes of each prompt."""
        groups: dict[bytes, list[tuple[int, int, int]]] = {}
        for row in range(self.n_envs):
            firsts = np.flatnonzero(self.episode_starts[:, row])
            ends = [*firsts[1:].tolist(), self.buffer_size if dones[row] else -1]
            # Without strict: a row that writes one long text all the time has no first step here.
            for first, end in zip(firsts.tolist(), ends, strict=False):
                if end > 0:
                    key = self.observations["tokens"][first, row].tobytes()
                    groups.setdefault(key, []).append((row, first, end))
        return list(groups.values())


def relative_to_group(values: np.ndarray, advantage: Advantage) -> np.ndarray:
    """Computes the advantages (G,) of the returns (G,) of one prompt's texts, G >= 2."""
    centered = values - values.mean()
    if advantage == "rloo":
        return centered * len(values) / (len(values) - 1)
    return centered / (values.std() + 1e-6)  # 1e-6: a group without variance gives 0, not NaN


def check_spaces(observations: gym.Space[Any], actions: gym.Space[Any]) -> None:
    """Checks that the spaces are those of token observations and token actions.

    Raises:
        ValueError: If they are not; the message names the arguments of the environment.
    """
    is_text = isinstance(observations, gym.spaces.Dict) and {"tokens", "length"} == set(
        observations
    )
    if not (is_text and isinstance(actions, gym.spaces.Discrete)):
        raise ValueError(
            f"Got {observations} and {actions} for a policy that is a language model; make the "
            "environment with actions='vocabulary' and observation='tokens'."
        )


class SharedPrompts(NamedTuple):
    """R sequences of up to L tokens, and where the tokens of E texts are in them.

    A sequence is a prompt, then the rest of each of its texts. A token sees the prompt and the
    tokens before it in its own text, and has the position that it has there, so its hidden state is
    that in a sequence of its own, but the prompt is forwarded once: eight answers of 5 tokens to a
    prompt of 25 are 65 tokens in place of 240.
    """

    tokens: torch.Tensor  # (R, L) int64
    positions: torch.Tensor  # (R, L) int64, of each token in its text
    is_visible: torch.Tensor  # (R, 1, L, L) bool: may the query (third) see the key (fourth)?
    rows: torch.Tensor  # (E,) int64, sequence of each text
    shifts: torch.Tensor  # (E,) int64, added to a position behind the prompt
    prompts: torch.Tensor  # (E,) int64, number of prompt tokens of each text

    @classmethod
    def from_texts(
        cls, tokens: torch.Tensor, lengths: torch.Tensor, prompts: torch.Tensor
    ) -> "SharedPrompts":
        """Puts texts with the same prompt into one sequence.

        Args:
            tokens: (E, T) int64 texts, padded.
            lengths: (E,) int64 tokens of each text.
            prompts: (E,) int64 tokens of each text's prompt, 1 or more.
        """
        sizes = list(zip(prompts.tolist(), lengths.tolist(), strict=True))
        members: dict[tuple[int, ...], list[int]] = {}
        for text, (prompt, _) in enumerate(sizes):
            members.setdefault(tuple(tokens[text, :prompt].tolist()), []).append(text)
        rows, shifts = torch.zeros_like(prompts), torch.zeros_like(prompts)
        parts: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        for row, (prompt, texts) in enumerate(members.items()):
            start = len(prompt)
            places, segments = [torch.arange(start)], [torch.zeros(start, dtype=torch.int64)]
            pieces = [tokens[texts[0], :start]]
            for number, text in enumerate(texts, start=1):
                rows[text], shifts[text] = row, sum(map(len, places)) - start
                stop = sizes[text][1]
                pieces.append(tokens[text, start:stop])
                places.append(torch.arange(start, stop))
                segments.append(torch.full((stop - start,), number))
            parts.append((torch.cat(pieces), torch.cat(places), torch.cat(segments)))
        ids, positions, owners = (
            pad_sequence(list(each), True) for each in zip(*parts, strict=True)
        )
        device = tokens.device
        visible = _visible(owners.to(device))
        return cls(ids, positions.to(device), visible, rows, shifts, prompts)

    @property
    def layout(self) -> dict[str, torch.Tensor]:
        """Arguments of the base model of transformers beside the tokens."""
        return {"position_ids": self.positions, "attention_mask": self.is_visible}

    def places(self, texts: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Returns row and column (M,) of tokens in the sequences.

        Args:
            texts: (M,) int64 text of each token.
            positions: (M,) int64 position in the text.
        """
        is_behind = positions >= self.prompts[texts]
        return self.rows[texts], positions + self.shifts[texts] * is_behind


def _visible(owners: torch.Tensor) -> torch.Tensor:
    """Returns which keys each query sees, (R, 1, L, L), from the text (R, L) of each token.

    0 is the prompt. Padding has owner 0 too; it comes last, so that no token of a text sees it.
    """
    size = owners.shape[1]
    is_before = torch.ones(size, size, dtype=torch.bool, device=owners.device).tril()
    is_own = owners[:, :, None] == owners[:, None, :]
    return ((is_own | (owners == 0)[:, None, :]) & is_before)[:, None]
