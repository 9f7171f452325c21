"""Eviction: rows that read a text with a KV cache of fixed size, and choose which entry leaves."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np

from lm_envs.envs.actions.checks import check_discrete
from lm_envs.envs.tuning.cache_entries import DECAY, LARGEST_SURPRISE, NAMES, CacheEntries
from lm_envs.envs.tuning.tuner import LOSS_DECIMALS, Tuner
from lm_envs.lru import LRUCache
from lm_envs.model.base import LanguageModel
from lm_envs.model.lm_head import LMHead
from lm_envs.model.scoring import Scorer
from lm_envs.model.state.bounded_cache import BoundedCache
from lm_envs.tokenizer import Tokenizer

CACHE_BYTES, TEXT_BYTES = 16 * 2**20, 200
"""Most memory of the log-probabilities with the whole context that are kept, and of the objects of
one text."""

SINKS = (1, 4)
"""Numbers of first tokens that a sliding window keeps as well."""


class EvictionTuner(Tuner):
    """A `Tuner` whose action evicts an entry of the row's KV cache, then reads the next token.

    The potential is the log-probability of the reference's tokens so far, less the same with the
    whole context.

    Args:
        num_rows: N.
        model: The network, shared by all rows.
        tokenizer: Decodes evicted tokens for descriptions.
        size: C, entries of a row's cache.
        by_head: Whether the attention of each head is observed.
    """

    def __init__(
        self,
        num_rows: int,
        model: LanguageModel,
        tokenizer: Tokenizer,
        size: int,
        by_head: bool = False,
    ) -> None:
        super().__init__(num_rows)
        if model.kernels.is_row_invariant and model.device.type != "cpu":
            raise ValueError(
                f"Got deterministic=True for evictions on {model.device}; allowed: device='cpu'."
            )
        head = LMHead(model, 1, required=0)
        config, decay = model.config, DECAY if by_head else None
        num_heads = config.num_layers * config.num_heads if by_head else 0
        self._cache = BoundedCache(model, head, num_rows, size, decay)
        self._entries = CacheEntries(num_rows, size, config.max_positions, num_heads)
        self._model, self._head = model, head
        self._scorer = Scorer(model, head, None)
        self._known = LRUCache[int, np.ndarray](
            CACHE_BYTES, lambda _, logprobs: TEXT_BYTES + logprobs.nbytes
        )
        self._tokenizer, self._size = tokenizer, size
        self.least_tokens = size + 2  # one to read, and one to predict after it
        self.space: gym.Space[Any] = gym.spaces.Discrete(size)
        self.action_names = [f"evict entry {place} by age" for place in range(size)]
        one = np.ones(1)
        self.columns = {
            **self._entries.bounds,
            "next_surprise": (0.0 * one, LARGEST_SURPRISE * one),
        }
        plans = {"window": 0} | {f"window and first {n}": n for n in SINKS if n < size}
        self.plans: Mapping[str, Sequence[np.ndarray]] = {
            name: [np.array(place)] for name, place in plans.items()
        }
        self._texts = [np.zeros(0, np.int64)] * num_rows
        self._whole = [np.zeros(0)] * num_rows  # log-probabilities with the whole context
        self._num_read = np.zeros(num_rows, np.int64)
        self._next_surprise, self._counted, self._sum, self._lost = np.zeros((4, num_rows))

    def check(self, actions: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Returns actions (N,) int64; 0 where `active` is False."""
        return check_discrete(actions, active, self._size, "an entry, the oldest first")

    def adjust(self, rows: np.ndarray, actions: np.ndarray) -> list[str]:
        """Evicts an entry of each row and reads the next token; describes each step."""
        if not len(rows):  # all rows start again in this step
            return []
        entries, places = self._entries.order[rows, actions], self._num_read[rows]
        texts = [self._texts[row] for row in rows.tolist()]
        pairs = zip(texts, places.tolist(), strict=True)
        tokens, targets = np.array([text[place : place + 2] for text, place in pairs]).T
        evicted = self._entries.tokens[rows, entries]
        logprobs, attention = self._cache.replace(rows, entries, tokens, places, targets)
        surprise = self._next_surprise[rows]
        self._entries.replace(rows, entries, tokens, places, surprise, attention)
        self._next_surprise[rows] = -logprobs
        self._num_read[rows] += 1
        self.stopped[rows] = places + 2 >= [len(text) for text in texts]
        self._count(rows)
        self._measure(rows)
        rises = self.scores()["loss_rise"]
        steps = zip(rows.tolist(), evicted.tolist(), rises[rows].tolist(), strict=True)
        return [
            f"without {self._decoded(token)!r}: {rise:.3f}\n{self._kept(row)}"
            for row, token, rise in steps
        ]

    def observe(self) -> np.ndarray:
        """Returns (N, (8 + H) C + 1): the columns of `CacheEntries`, the next token's surprise."""
        columns = self._entries.columns().reshape(len(self._lost), -1)
        return np.concatenate([columns, self._next_surprise[:, None]], 1).astype(np.float32)

    def scores(self) -> dict[str, np.ndarray]:
        """Returns `reward`, `loss` and `loss_rise`.

        `reward` is the potential, nats; the others are means over the tokens that count so far,
        nats a token, and 0 before the first one.
        """
        counted = np.maximum(self._counted, 1.0)
        return {
            "reward": -self._lost,
            "loss": self._now.copy(),
            "loss_rise": self._lost / counted,
        }

    def masks(self) -> np.ndarray:
        """Returns (N, C) True: each entry can be evicted."""
        return np.ones((len(self._lost), self._size), bool)

    def rule_policies(self) -> Mapping[str, Callable[[], np.ndarray]]:
        """Returns rules that evict the entry with the least attention.

        Sources: "now", Oren et al. 2024, https://arxiv.org/abs/2401.06104 (TOVA); "so far", Zhang
        et al. 2023, https://arxiv.org/abs/2306.14048 (H2O), here per token that could attend. The
        window that keeps the first tokens is of Xiao et al. 2023, https://arxiv.org/abs/2309.17453.
        """
        columns = {"now": "log_attention", "so far": "log_mean_attention"}
        return {
            f"least attention {when}": partial(self._least, NAMES.index(name))
            for when, name in columns.items()
        }

    def whole_attention(self, rows: Sequence[int]) -> list[np.ndarray]:
        """Returns how much attention the tokens of each row's text pay with the whole context.

        Args:
            rows: R row numbers.

        Returns:
            `Attention.layer_peak` of each text, (T, T) float32: by the token that pays it, and by
            the one that gets it.
        """
        texts = [self._texts[row] for row in rows]
        padded = np.zeros((len(texts), max(map(len, texts))), np.int64)  # no token sees later ones
        for row, text in enumerate(texts):
            padded[row, : len(text)] = text
        cache = BoundedCache(self._model, self._head, *padded.shape)
        found = cache.fill(np.arange(len(texts)), padded).layer_peak
        return [each[: len(text), : len(text)] for each, text in zip(found, texts, strict=True)]

    def _least(self, column: int) -> np.ndarray:
        return self._entries.columns()[:, column].argmin(1)

    def _restore(self, rows: Sequence[int]) -> None:
        """Reads the first C tokens of each row's text."""
        own = np.asarray(rows)
        passages = [self.passages_of(row) for row in rows]
        whole = self._known.get_or_compute(
            [each.index for each in passages],
            lambda places: self._scorer.score([passages[place].tokens[0] for place in places]),
        )
        for row, each, logprobs in zip(rows, passages, whole, strict=True):
            self._texts[row], self._whole[row] = each.tokens[0], logprobs.round(LOSS_DECIMALS)
        first = np.stack([self._texts[row][: self._size] for row in rows])
        surprise = np.stack([-logprobs[: self._size] for logprobs in whole])
        self._entries.fill(own, first, surprise, self._cache.fill(own, first))
        self._num_read[own] = self._size
        self._next_surprise[own] = [-logprobs[self._size] for logprobs in whole]
        for values in (self._counted, self._sum, self._lost):
            values[own] = 0.0

    def _decoded(self, token: int) -> str:
        return self._tokenizer.decode(np.array([token]))

    def _kept(self, row: int) -> str:
        """Returns the tokens in the cache of a row that has stopped; "" before."""
        if not self.stopped[row]:
            return ""
        tokens = self._entries.tokens[row, self._entries.order[row]].tolist()
        return f"in the cache: {'|'.join(map(self._decoded, tokens))!r}\n"

    def _count(self, rows: np.ndarray) -> None:
        """Adds the loss of each row's next token, if it belongs to the reference."""
        for row, place in zip(rows.tolist(), self._num_read[rows].tolist(), strict=True):
            if place >= self.passages_of(row).starts[0]:
                loss = round(float(self._next_surprise[row]), LOSS_DECIMALS)
                self._counted[row] += 1.0
                self._sum[row] += loss
                self._lost[row] += loss + self._whole[row][place]

    def _measure(self, rows: np.ndarray) -> None:
        self._now[rows] = self._sum[rows] / np.maximum(self._counted[rows], 1.0)
