"""Log-probabilities and hidden states of given token sequences.

Owns how sequences and options are padded and grouped into passes. Writes to no KV cache and knows
nothing of the rows' outputs.
"""

from collections.abc import Sequence

import numpy as np
import torch

from lm_envs.model.base import LanguageModel, for_sums, inference
from lm_envs.model.batching import TOKENS_PER_PASS, forward_padded, padded_batches, to_device
from lm_envs.model.kv_cache import KVCache, round_up
from lm_envs.model.lm_head import LMHead
from lm_envs.model.prompt_cache import CachedText, PromptCache

OPTION_MULTIPLE = 4
"""Options are padded to a multiple of this many tokens."""


class Scorer:
    """Scores sequences by themselves, and alternative continuations of rows of a KV cache.

    Args:
        model: The network; may be shared.
        head: Its output head.
        prompts: Stores hidden states of sequences; None stores nothing.

    Attributes:
        num_forward_tokens: Number of tokens that the network has computed, without padding; cached
            ones do not count.
    """

    def __init__(self, model: LanguageModel, head: LMHead, prompts: PromptCache | None) -> None:
        self._model, self._head = model, head
        self._prompts = PromptCache(0) if prompts is None else prompts
        self.num_forward_tokens: int = 0

    @property
    def model(self) -> LanguageModel:
        """The network, for another engine of it."""
        return self._model

    @property
    def longest(self) -> int:
        """Most tokens that the model reads at once."""
        return self._model.config.max_positions

    @inference
    def score(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Log-probability of every token given those before it.

        Args:
            sequences: Arrays (T,) int64, 1 <= T <= `longest`.

        Returns:
            Arrays (T,) float64 in nats, the first entry 0.

        Raises:
            ValueError: If a sequence is longer than the model reads.
        """
        scores = self.next_token_logprobs(sequences, [sequence[1:] for sequence in sequences])
        return [np.concatenate([[0.0], logprobs]) for logprobs in scores]

    @property
    def prompt_cache_bytes(self) -> int:
        """Most memory of the cached prompts, in bytes; 0 if there is no cache."""
        return self._prompts.capacity

    @inference
    def next_token_logprobs(
        self, sequences: Sequence[np.ndarray], tokens: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Log-probability of a given token after every prefix of a sequence: teacher forcing.

        Args:
            sequences: Arrays (T,) int64, 1 <= T <= `longest`.
            tokens: For each sequence (S,) int64, S <= T: `tokens[j]` follows `sequence[: j + 1]`.

        Returns:
            Arrays (S,) float64 in nats.

        Raises:
            ValueError: If a sequence is longer than the model reads.
        """
        longest = max(map(len, sequences), default=0)
        if longest > self.longest:
            raise ValueError(
                f"Got a sequence of {longest} tokens to score; allowed: {self.longest}, the "
                "positions of the model. Shorten it."
            )
        scores: list[np.ndarray] = [np.zeros(0)] * len(sequences)
        self.num_forward_tokens += sum(map(len, sequences))
        for part, padded, _ in padded_batches(sequences):
            own = [tokens[index] for index in part.tolist()]
            sizes = np.array([len(targets) for targets in own])
            is_scored = np.arange(padded.shape[1]) < sizes[:, None]  # (R, T)
            arrays = (padded, np.flatnonzero(is_scored), np.concatenate(own))
            ids, places, targets = to_device(self._model.device, *arrays)
            states = self._forward(ids).flatten(0, 1).index_select(0, places)
            parts = self._split_logprobs(states, targets, sizes)
            for index, logprobs in zip(part.tolist(), parts, strict=True):
                scores[index] = logprobs
        return scores

    @inference
    def hidden_states(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Hidden states (T, D) float32 after every token.

        The states of a cached sequence are not computed again. The arrays may be shared with the
        cache: copy them before writing.

        Args:
            sequences: Arrays (T,) int64, 1 <= T <= `longest`.
        """

        def compute(indices: list[int]) -> list[CachedText]:
            self.num_forward_tokens += sum(len(sequences[index]) for index in indices)
            texts = [CachedText((), np.zeros(0))] * len(indices)
            for part, tokens, lengths in padded_batches([sequences[index] for index in indices]):
                hidden = self._forward(*to_device(self._model.device, tokens)).cpu().numpy()
                for place, states, length in zip(part.tolist(), hidden, lengths, strict=True):
                    texts[place] = CachedText((), states[:length].copy())  # without the padding
            return texts

        keys = [("states", sequence.tobytes()) for sequence in sequences]
        return [text.array for text in self._prompts.get_or_compute(keys, compute)]

    @inference
    def mean_hidden_states(
        self, sequences: Sequence[np.ndarray], starts: Sequence[int]
    ) -> np.ndarray:
        """Mean of the hidden states after the tokens from a start to the end of each sequence.

        Nothing is cached: each written text would displace a prompt.

        Args:
            sequences: R arrays (T,) int64, 1 <= T <= `longest`.
            starts: R numbers, 0 <= start < T.

        Returns:
            (R, D) float32.
        """
        means = np.zeros((len(sequences), self._model.config.hidden_size), np.float32)
        first = np.asarray(starts, np.int64)
        self.num_forward_tokens += sum(map(len, sequences))
        for part, padded, lengths in padded_batches(sequences):
            ids, begins, ends = to_device(self._model.device, padded, first[part], lengths)
            places = torch.arange(padded.shape[1], device=ids.device)
            is_counted = (places >= begins[:, None]) & (places < ends[:, None])  # (R, T)
            states = for_sums(self._model, self._forward(ids) * is_counted[..., None])
            total = states.sum(1).cpu().numpy()
            means[part] = total / (lengths - first[part])[:, None]
        return means

    def _score_options(
        self,
        cache: KVCache,
        rows: np.ndarray,
        lengths: np.ndarray,
        hidden: torch.Tensor,
        options: Sequence[Sequence[np.ndarray]],
    ) -> list[list[np.ndarray]]:
        """Log-probabilities of the tokens of O options of each of R rows; see `Engine`.

        Args:
            cache: Keys and values of the rows so far; they are read only.
            rows: (R,) int64 distinct row numbers.
            lengths: (R,) int64 number of tokens in each of these rows.
            hidden: (N, D) float32 last hidden state of every row of the cache.
            options: For each row O arrays (T,) int64, T >= 1.
        """
        longest = [max(map(len, alternatives)) for alternatives in options]
        widths = np.array([round_up(size, OPTION_MULTIPLE) for size in longest])
        scores: list[list[np.ndarray]] = [[]] * len(rows)
        for width in np.unique(widths):
            members = np.flatnonzero(widths == width)
            step = max(1, TOKENS_PER_PASS // (len(options[0]) * width))
            for start in range(0, len(members), step):
                part = members[start : start + step].tolist()
                own = [options[index] for index in part]
                found = self._score_padded(
                    cache, rows[part], lengths[part], hidden, own, int(width)
                )
                for index, logprobs in zip(part, found, strict=True):
                    scores[index] = logprobs
        return scores

    def _score_padded(
        self,
        cache: KVCache,
        rows: np.ndarray,
        lengths: np.ndarray,
        hidden: torch.Tensor,
        options: Sequence[Sequence[np.ndarray]],
        width: int,
    ) -> list[list[np.ndarray]]:
        """Log-probabilities of the tokens of options of at most T = `width` tokens, in one pass.

        The other arguments are those of `_score_options`. The first token of an option follows the
        row's last hidden state.
        """
        sizes = np.array([[len(option) for option in own] for own in options])  # (R, O)
        self.num_forward_tokens += int(sizes.sum())
        is_real = np.arange(width) < sizes[..., None]  # (R, O, T)
        tokens = _pad_options(options, width)
        # Found on the host: a mask on a GPU would wait for it, to learn how many tokens are real.
        arrays = (tokens, rows, lengths, np.flatnonzero(is_real), tokens[is_real])
        ids, slots, starts, places, targets = to_device(self._model.device, *arrays)
        states = self._option_states(cache, ids, slots, starts, round_up(int(lengths.max())))
        last = hidden.index_select(0, slots)[:, None, None].expand(-1, sizes.shape[1], 1, -1)
        before = torch.cat([last, states[:, :, :-1]], 2).flatten(0, 2)  # (R O T, D)
        parts = self._split_logprobs(before.index_select(0, places), targets, sizes)
        return [
            parts[first : first + sizes.shape[1]] for first in range(0, sizes.size, sizes.shape[1])
        ]

    def _option_states(
        self,
        cache: KVCache,
        ids: torch.Tensor,
        slots: torch.Tensor,
        lengths: torch.Tensor,
        context_len: int,
    ) -> torch.Tensor:
        """Hidden states (R, O, T, D) after each token of O padded options (R, O, T) of R rows."""
        positions = lengths[:, None, None] + torch.arange(ids.shape[2], device=ids.device)
        # Padding may pass the last position of the model.
        positions = positions.expand_as(ids).clamp(max=self._model.config.max_positions - 1)
        shape = (ids.shape[1], ids.shape[2])
        attend = self._model.kernels.option_attention(cache, slots, lengths, context_len, shape)
        hidden = self._model.forward(ids.flatten(), positions.flatten(), attend)
        return hidden.view(*ids.shape, -1)

    def _split_logprobs(
        self, hidden: torch.Tensor, tokens: torch.Tensor, sizes: np.ndarray
    ) -> list[np.ndarray]:
        """Log-probabilities of one token (M,) after each hidden state (M, D), in nats.

        Args:
            hidden: (M, D) float32.
            tokens: (M,) int64.
            sizes: Numbers of tokens of the returned arrays (T,) float64, of any shape; M in all.
        """
        logprobs = self._head.token_logprobs(hidden, tokens).cpu().numpy().astype(np.float64)
        return np.split(logprobs, sizes.ravel().cumsum()[:-1])

    def _forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Hidden states (R, T, D) of R padded sequences (R, T), which no cache stores."""
        rows = torch.arange(len(ids), device=ids.device)
        attend = self._model.kernels.prefill_attention(None, rows, ids.shape[1])
        return forward_padded(self._model, ids, attend)


def _pad_options(options: Sequence[Sequence[np.ndarray]], width: int) -> np.ndarray:
    """The O options of each of R rows as one array (R, O, T) int64, padded with 0."""
    tokens = np.zeros((len(options), len(options[0]), width), np.int64)
    for row, own in zip(tokens, options, strict=True):
        for target, option in zip(row, own, strict=True):
            target[: len(option)] = option
    return tokens
