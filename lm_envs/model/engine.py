"""Next-token outputs for N rows of ids. Knows nothing of text.

Owns the KV slots, the row lengths and the last hidden states; the only door to the model. Ids come
in and small arrays go out: tensors and the (N, V) logits stay inside, and each step makes one copy
from the device to the host.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lm_envs.model.batching import (
    TOKENS_PER_PASS,
    batches,
    passes,
    read_on,
    read_padded,
    read_prompts,
)
from lm_envs.model.cuda_graph import CapturedStep
from lm_envs.model.gpt2 import GPT2
from lm_envs.model.kv_cache import KVCache, OptionAttention, PrefillAttention, round_up
from lm_envs.model.kv_format import CACHE_DTYPES
from lm_envs.model.lm_head import LMHead
from lm_envs.model.logits import log_sum_exp, rows_per_pass, top_k_top_p_mask
from lm_envs.model.prompt_cache import CachedPrompt, CachedStates, PromptCache

LINE_MULTIPLE = 4
"""Lines to be scored are padded to a multiple of this many tokens."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the model says after each row's last token; fresh arrays, safe to keep.

    Attributes:
        hidden: (N, D) float32 last hidden states.
        candidates: (N, K) int64 next tokens, the likeliest first, ties by id. The engine's are the
            K likeliest; the end token stands last where it is not among them. Those of
            `lm_envs.envs.actions.copying` are others.
        logprobs: (N, K) float32 log-probabilities of the candidates, nats.
        chosen: (N,) float32 log-probability that the last appended token had; 0 after a prefill.
    """

    hidden: np.ndarray
    candidates: np.ndarray
    logprobs: np.ndarray
    chosen: np.ndarray


class Engine:
    """One GPT-2 and N rows of context, advanced together.

    Args:
        model: The network; may be shared by many engines.
        num_rows: N.
        capacity: Most tokens in a row, at most the model's `n_positions`.
        num_candidates: K, how many next tokens to report.
        end_token: Id of the end of text, which is always among the candidates.
        cache_dtype: What keys and values are kept in: "auto", the type of the model's linears, or
            "int8", codes of 8 bits. Texts are read through the codes then, by every way of reading
            into a slot and from it; `score`, which touches no slot, is as exact as with "auto".
        prompts: Remembers prompts, which need not be read again then; may be shared by the engines
            of one model. None to remember nothing.

    Attributes:
        num_rows: N.
        capacity: Most tokens in a row.
        lengths: (N,) int64 tokens that each slot holds.
        end_token: Id of the end of text.
        num_forward_tokens: Tokens that the network has read so far; what is remembered is not read.
    """

    def __init__(
        self,
        model: GPT2,
        num_rows: int,
        *,
        capacity: int,
        num_candidates: int,
        end_token: int,
        cache_dtype: str = "auto",
        prompts: PromptCache | None = None,
    ) -> None:
        config = model.config
        self.num_rows = num_rows
        self.capacity = capacity
        self.lengths = np.zeros(num_rows, np.int64)
        self.num_forward_tokens = 0
        self.cache_dtype = cache_dtype
        self._model = model
        self._num_candidates = num_candidates
        self.end_token = end_token
        self._head = LMHead(model, num_candidates, end_token)
        self._slots = KVCache(
            num_layers=config.n_layer,
            num_rows=num_rows,
            num_heads=config.n_head,
            head_size=config.n_embd // config.n_head,
            capacity=capacity,
            dtype=CACHE_DTYPES[cache_dtype] or model.dtype,
            device=model.device,
        )
        self._hidden = torch.zeros(num_rows, config.n_embd, device=model.device)
        self._log_z = torch.zeros(num_rows, device=model.device)
        self._prompts = prompts
        width = config.n_embd + 2 * num_candidates + 2
        self._show(np.zeros((num_rows, width), np.float32))
        self._captured: dict[int, CapturedStep] = {}

    @property
    def outputs(self) -> Outputs:
        """What the model said last."""
        return self._outputs

    @property
    def longest(self) -> int:
        """Most tokens that the model reads at once."""
        return self._model.config.n_positions

    @property
    def num_bytes(self) -> int:
        """Memory of the KV slots."""
        return self._slots.num_bytes

    @torch.inference_mode()
    def prefill(self, rows: np.ndarray, prompts: Sequence[np.ndarray]) -> Outputs:
        """Starts the given rows afresh from their prompts; other rows stay as they are.

        A prompt that is remembered is copied; one that several rows begin with is read once.

        Args:
            rows: (R,) int64 distinct row numbers.
            prompts: R arrays (P,) int64, 1 <= P <= capacity.
        """
        cache = self._prompts
        if cache is None:
            return self._read_prompts(rows, prompts)
        # What is said of a prompt depends on these.
        kind = (self._num_candidates, self.end_token, self._slots.dtype)
        keys = [(*kind, prompt.tobytes()) for prompt in prompts]
        ready = {key: _prompt(cache, key) for key in keys if key in cache}
        readers = {key: place for place, key in enumerate(keys) if key not in ready}
        if readers:
            places = list(readers.values())
            self._read_prompts(rows[places], [prompts[place] for place in places])
        for key, place in readers.items():
            ready[key] = self._held(int(rows[place]))
            cache.keep(key, ready[key])
        others = [place for place, key in enumerate(keys) if readers.get(key) != place]
        if others:
            self._copy(rows[others], [ready[keys[place]] for place in others])
        return self._outputs

    def packed_outputs(self, rows: np.ndarray) -> np.ndarray:
        """All that the model says after the texts of some rows: (R, S) float32, for `restore_outputs`."""
        return self._packed[rows]

    @torch.inference_mode()
    def restore_outputs(self, rows: np.ndarray, states: np.ndarray) -> Outputs:
        """Lets some rows say what they said when `states` (R, S) were taken.

        Their slots and lengths stay as they are: to go on from there, a row must hold the text.

        Args:
            rows: (R,) int64 distinct row numbers.
            states: Of `states`, taken after the same texts in any row.
        """
        slots = torch.as_tensor(rows, device=self._model.device)
        packed = torch.as_tensor(states, device=slots.device)
        self._hidden[slots] = packed[:, : self._hidden.shape[1]]
        self._log_z[slots] = packed[:, -2]
        return self._show_rows(rows, states)

    @torch.inference_mode()
    def extend(self, rows: np.ndarray, starts: np.ndarray, tokens: Sequence[np.ndarray]) -> Outputs:
        """Lets some rows go on from an earlier place in them; other rows stay as they are.

        On CPU a row's numbers are the same whether its tokens are read at once or in parts.

        Args:
            rows: (R,) int64 distinct row numbers.
            starts: (R,) int64 how many of its tokens each row keeps.
            tokens: R arrays (T,) int64 to read after them, T >= 1, starts + T <= capacity.
        """
        for part in passes(tokens):
            self._read_on(rows[part], starts[part], tokens[part])
        return self._report(rows)

    @torch.inference_mode()
    def extend_scored(self, rows: np.ndarray, lines: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Appends a line to each of some rows; other rows stay as they are.

        Args:
            rows: (R,) int64 distinct row numbers.
            lines: R arrays (T,) int64, T >= 1.

        Returns:
            For each row the log-probabilities (T,) float64 of its line's tokens, nats.
        """
        scores: list[np.ndarray] = []
        for part in passes(lines):
            before = self._read_on(rows[part], self.lengths[rows[part]], lines[part])
            words = torch.as_tensor(np.concatenate(lines[part]), device=self._model.device)
            logprobs = self._logprobs(before, words).cpu().numpy().astype(np.float64)
            ends = np.cumsum([len(line) for line in lines[part]])
            scores += np.split(logprobs, ends[:-1])
        self._report(rows)
        return scores

    @torch.inference_mode()
    def decode(self, tokens: np.ndarray, active: np.ndarray | None = None) -> Outputs:
        """Appends one token to every row, or to the rows where `active` is True.

        Args:
            tokens: (N,) int64; the value at an inactive row is ignored.
            active: (N,) bool, default all.
        """
        if active is None:
            active = np.ones(self.num_rows, bool)
        assert (self.lengths < self.capacity)[active].all(), "a full row cannot grow"
        inputs = np.stack([np.where(active, tokens, 0), self.lengths, active])  # (3, N)
        longest = min(int(self.lengths.max()) + 1, self.capacity)  # an inactive row may be full
        context_len = round_up(longest)
        packed = self._step(torch.as_tensor(inputs, device=self._model.device), context_len)
        self.lengths += active
        self.num_forward_tokens += int(active.sum())
        return self._show(_to_host(packed))

    @torch.inference_mode()
    def score(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Log-probability of every token given those before it; no slot is touched.

        Args:
            sequences: Arrays (T,) int64, 1 <= T <= `n_positions`.

        Returns:
            Arrays (T,) float64 in nats, the first entry 0.

        Raises:
            ValueError: If a sequence is longer than the model reads.
        """
        longest = max((len(sequence) for sequence in sequences), default=0)
        if longest > self.longest:
            raise ValueError(
                f"Got a sequence of {longest} tokens to score; allowed: {self.longest}, as many as "
                "the model reads. Shorten it."
            )
        scores: list[np.ndarray] = [np.zeros(0)] * len(sequences)
        for index, states in self._through(sequences):
            words = torch.as_tensor(sequences[index][1:], device=self._model.device)
            logprobs = self._logprobs(states[:-1], words).cpu().numpy()
            scores[index] = np.concatenate([[0.0], logprobs.astype(np.float64)])
        return scores

    @torch.inference_mode()
    def next_token_logprobs(
        self, sequences: Sequence[np.ndarray], tokens: Sequence[np.ndarray]
    ) -> list[np.ndarray]:
        """Returns the log-probability of one token after each prefix; no slot is touched.

        Args:
            sequences: Arrays (T,) int64, 1 <= T <= `longest`.
            tokens: Arrays (T,) int64: entry j is the token after `sequence[: j + 1]`.

        Returns:
            Arrays (T,) float64, nats.
        """
        scores: list[np.ndarray] = [np.zeros(0)] * len(sequences)
        for index, states in self._through(sequences):
            chosen = torch.as_tensor(tokens[index], device=self._model.device)
            scores[index] = self._logprobs(states, chosen).cpu().numpy().astype(np.float64)
        return scores

    @torch.inference_mode()
    def hidden_states(self, sequences: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Hidden states (T, D) float32 after every token; no slot is touched.

        A text that is remembered is not read again.

        Args:
            sequences: Arrays (T,) int64, 1 <= T <= `n_positions`.
        """
        cache = self._prompts
        keys = [("states", sequence.tobytes()) for sequence in sequences]
        ready = {} if cache is None else {key: _states(cache, key) for key in keys if key in cache}
        new = {key: place for place, key in enumerate(keys) if key not in ready}
        read = dict(self._through([sequences[place] for place in new.values()]))
        for index, key in enumerate(new):
            ready[key] = read[index].cpu().numpy()
            if cache is not None:
                cache.keep(key, CachedStates(ready[key]))
        return [ready[key] for key in keys]

    @torch.inference_mode()
    def score_options(
        self, rows: np.ndarray, lines: Sequence[Sequence[np.ndarray]]
    ) -> list[list[np.ndarray]]:
        """Log-probability of each token of lines that rows could be continued with.

        The text so far is not read again, and nothing is appended. A row's numbers depend on its
        own text and lines only: lines are padded to the widest of their own row.

        Args:
            rows: (R,) int64 distinct row numbers.
            lines: For each row as many lines (T,) int64, T >= 1, as for every other.

        Returns:
            For each row and line (T,) float64, nats.
        """
        widest = [max(map(len, options)) for options in lines]
        widths = np.array([round_up(size, LINE_MULTIPLE) for size in widest])
        scores: list[list[np.ndarray]] = [[]] * len(rows)
        for width in np.unique(widths):
            members = np.flatnonzero(widths == width)
            step = max(1, TOKENS_PER_PASS // (len(lines[0]) * width))
            for start in range(0, len(members), step):
                part = members[start : start + step].tolist()
                found = self._score_lines(rows[part], [lines[place] for place in part], int(width))
                for place, logprobs in zip(part, found, strict=True):
                    scores[place] = logprobs
        return scores

    @torch.inference_mode()
    def top_k_top_p_mask(self, top_k: int | None, top_p: float | None) -> np.ndarray:
        """The next words that `top_k` and `top_p` both keep, (N, V) bool; the end token always.

        Args:
            top_k: The k most likely; None for all.
            top_p: The fewest that hold this probability; None for all.
        """
        keep = top_k_top_p_mask(self._head.logits(self._hidden), top_k, top_p)
        keep[:, self.end_token] = True
        return keep.cpu().numpy()

    @torch.inference_mode()
    def logprobs_of(self, words: np.ndarray) -> np.ndarray:
        """Log-probabilities (N, M) float32 of words (N, M) after each row's last token, nats."""
        ids = torch.as_tensor(words, device=self._model.device)
        logprobs = self._head.read(self._hidden, ids) - self._log_z[:, None]
        return logprobs.cpu().numpy()

    def _score_lines(
        self, rows: np.ndarray, lines: Sequence[Sequence[np.ndarray]], width: int
    ) -> list[list[np.ndarray]]:
        device, num_lines = self._model.device, len(lines[0])
        tokens = np.zeros((len(rows), num_lines, width), np.int64)
        for row, options in zip(tokens, lines, strict=True):
            for place, line in zip(row, options, strict=True):
                place[: len(line)] = line
        ids, slots = torch.as_tensor(tokens, device=device), torch.as_tensor(rows, device=device)
        lengths = torch.as_tensor(self.lengths[rows], device=device)
        context_len = round_up(int(self.lengths[rows].max()))
        positions = lengths[:, None, None] + torch.arange(width, device=device)
        positions = positions.expand_as(ids).clamp(max=self._model.config.n_positions - 1)
        branch = OptionAttention(self._slots, slots, lengths, context_len, (num_lines, width))
        hidden = self._model.forward(ids.flatten(), positions.flatten(), branch)
        hidden = hidden.view(*ids.shape, -1)  # (R, O, T, D)
        before = self._hidden[slots][:, None, None].expand(-1, num_lines, 1, -1)
        states = torch.cat([before, hidden[:, :, :-1]], 2)  # what each token was chosen from
        sizes = np.array([[len(line) for line in options] for options in lines])  # (R, O)
        self.num_forward_tokens += int(sizes.sum())
        is_real = torch.as_tensor(np.arange(width) < sizes[..., None], device=device)
        logprobs = self._logprobs(states[is_real], ids[is_real]).cpu().numpy()
        parts = np.split(logprobs.astype(np.float64), sizes.ravel().cumsum()[:-1])
        return [parts[row * num_lines : (row + 1) * num_lines] for row in range(len(rows))]

    def _read_on(
        self, rows: np.ndarray, starts: np.ndarray, tokens: Sequence[np.ndarray]
    ) -> torch.Tensor:
        """Reads tokens into slots; the hidden states (M, D) that stood before each of them."""
        sizes = [len(part) for part in tokens]
        stops = starts + sizes
        self.num_forward_tokens += sum(sizes)
        assert (stops <= self.capacity).all(), "a full row cannot grow"
        hidden, ends = read_on(self._model, self._slots, rows, starts, tokens)
        slots = torch.as_tensor(rows, device=hidden.device)
        before = hidden.roll(1, 0)
        firsts = torch.cat([ends.new_zeros(1), ends[:-1]])
        before[firsts] = self._hidden[slots]
        self._hidden[slots] = hidden[ends - 1]
        self.lengths[rows] = stops
        return before

    def _through(self, sequences: Sequence[np.ndarray]) -> Iterator[tuple[int, torch.Tensor]]:
        """The index of each sequence, in some order, and its hidden states (T, D)."""
        self.num_forward_tokens += sum(map(len, sequences))
        for part, tokens, lengths in batches(sequences):
            rows = torch.arange(len(part), device=self._model.device)
            hidden = read_padded(self._model, tokens, PrefillAttention(None, rows, tokens.shape[1]))
            for index, states, length in zip(part.tolist(), hidden, lengths, strict=True):
                yield index, states[:length]

    def _read_prompts(self, rows: np.ndarray, prompts: Sequence[np.ndarray]) -> Outputs:
        """Reads each prompt into its row."""
        read_prompts(self._model, self._slots, rows, prompts, self._hidden)
        self.lengths[rows] = [len(prompt) for prompt in prompts]
        self.num_forward_tokens += int(self.lengths[rows].sum())
        return self._report(rows)

    def _held(self, row: int) -> CachedPrompt:
        """What a row holds; views."""
        return CachedPrompt(self._slots.of(row, int(self.lengths[row])), self._packed[row])

    def _copy(self, rows: np.ndarray, read: Sequence[CachedPrompt]) -> None:
        """Lets rows hold prompts that were read before."""
        for row, prompt in zip(rows.tolist(), read, strict=True):
            self._slots.put(row, prompt.slot)
            self.lengths[row] = prompt.num_tokens
        self.restore_outputs(rows, np.stack([prompt.state for prompt in read]))

    def _report(self, rows: np.ndarray) -> Outputs:
        """Outputs in which `rows` say what follows their last hidden states."""
        slots = torch.as_tensor(rows, device=self._model.device)
        packed = self._read_out(self._hidden[slots])
        self._log_z[slots] = packed[:, -2]
        return self._show_rows(rows, _to_host(packed))

    def _show_rows(self, rows: np.ndarray, packed: np.ndarray) -> Outputs:
        """Outputs in which `rows` say what is packed (R, S), in new arrays."""
        merged = self._packed.copy()
        merged[rows] = packed
        return self._show(merged)

    def _show(self, packed: np.ndarray) -> Outputs:
        """Outputs of all rows from what is packed (N, S), which is kept."""
        self._packed, self._outputs = packed, self._unpack(packed)
        return self._outputs

    def _logprobs(self, hidden: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """(T,) log-probabilities of one word after each hidden state, a few rows at a time."""
        step = rows_per_pass(self._model.config.vocab_size)
        parts = [torch.zeros(0, device=hidden.device)]
        for states, chosen in zip(hidden.split(step), words.split(step), strict=True):
            log_z = log_sum_exp(self._head.logits(states))
            parts.append(self._head.read(states, chosen[:, None])[:, 0] - log_z)
        return torch.cat(parts)

    def _step(self, inputs: torch.Tensor, context_len: int) -> torch.Tensor:
        """Packed outputs of one decoding step: eager on CPU, a captured graph on CUDA."""
        if inputs.device.type != "cuda":
            return self._decode(inputs, context_len)
        if context_len not in self._captured:
            hidden, log_z = self._hidden.clone(), self._log_z.clone()
            self._captured[context_len] = CapturedStep(
                lambda static: self._decode(static, context_len), inputs
            )
            self._hidden.copy_(hidden)  # recording ran the step; the slots are written alike again
            self._log_z.copy_(log_z)
        return self._captured[context_len](inputs)

    def _decode(self, inputs: torch.Tensor, context_len: int) -> torch.Tensor:
        """Packed outputs (N, D + 2 K + 2) after one token a row; state is updated in place.

        Args:
            inputs: (3, N) int64: tokens, their positions, and which rows are active.
            context_len: How many leading positions of the slots to read.
        """
        tokens, positions, active = inputs
        chosen = self._head.read(self._hidden, tokens[:, None])[:, 0] - self._log_z
        # An inactive full row writes out of its slot otherwise; what it writes is never read.
        positions = positions.clamp(max=self.capacity - 1)
        attend = self._model.kernels.decode(self._slots, positions, context_len)
        hidden = self._model.forward(tokens, positions, attend)
        self._hidden.copy_(torch.where(active[:, None] > 0, hidden, self._hidden))
        packed = self._read_out(self._hidden)
        self._log_z.copy_(packed[:, -2])
        packed[:, -1] = chosen
        return packed

    def _read_out(self, hidden: torch.Tensor) -> torch.Tensor:
        """Hidden states, log-probabilities, candidates, normalisers and a 0 side by side."""
        words = self._head.best(hidden)
        chosen = torch.zeros_like(hidden[:, :1])
        candidates = words.candidates.float()  # ids are exact in float32 up to 2**24
        columns = [hidden, words.logprobs, candidates, words.log_z[:, None], chosen]
        return torch.cat(columns, -1)

    def _unpack(self, packed: np.ndarray) -> Outputs:
        widths = np.cumsum([self._model.config.n_embd, self._num_candidates, self._num_candidates])
        hidden, logprobs, candidates, rest = np.split(packed, widths, axis=1)
        return Outputs(hidden, candidates.astype(np.int64), logprobs, rest[:, -1])


def _prompt(cache: PromptCache, key: Hashable) -> CachedPrompt:
    """A prompt that is remembered, as `prefill` left it."""
    kept = cache.get(key)
    assert isinstance(kept, CachedPrompt)
    return kept


def _states(cache: PromptCache, key: Hashable) -> np.ndarray:
    """Hidden states that are remembered, as `hidden_states` left them."""
    kept = cache.get(key)
    assert isinstance(kept, CachedStates)
    return kept.states


def _to_host(packed: torch.Tensor) -> np.ndarray:
    return packed.cpu().numpy()
