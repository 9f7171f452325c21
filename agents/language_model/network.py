"""A trainable language model: hidden states of texts, log-probabilities a few rows at a time.

Owns the parameters. Knows nothing of episodes, rewards or Stable-Baselines3.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn
from torch.autograd.function import FunctionCtx
from torch.nn.attention import SDPBackend, sdpa_kernel

from agents.language_model.incremental_decoder import IncrementalDecoder
from agents.language_model.lora import LoRA, merged_weights
from lm_envs.model import loading

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

SLOW_GELU, FUSED_GELU = "gelu_new", "gelu_pytorch_tanh"
"""GPT-2's activation, and the same as one operation that saves one tensor for its gradient."""

_ACTIVATIONS = ("activation_function", "hidden_act")
"""Keys of configurations that name the activation of the perceptrons."""

LOGITS_PER_CHUNK = 2**23
"""Maximum number of logits in memory: 32 MiB in float32, for any batch and vocabulary."""

LOGITS_PER_CHUNK_ON_CUDA = 2**26
"""The same on a GPU, where small matrix products leave most of the processors idle."""

MASKED_LOGIT = -1e4
"""Logit of a forbidden token. Its probability is exactly 0, as with -inf, but p log p is 0 too,
where -inf would give NaN."""

AllowedTokens = Callable[[slice], torch.Tensor]
"""Returns for a slice of M rows the tokens allowed there, (rows, tokenizer_size) bool."""


class TrainableNetwork(nn.Module):
    """The causal language model of transformers for a checkpoint, without dropout.

    Dropout would make the first ratio of PPO's update differ from 1.

    Args:
        folder: Holds a checkpoint, as for `lm_envs.model.loading.load`.
        tokenizer_size: Tokens with ids below this can be chosen; the embedding matrix may be
            padded beyond it.
        temperature: Divides logits.
        bfloat16: Whether to run the blocks under bfloat16 autocast and round the factors of the
            logits to bfloat16; weights, norms, sums and logits stay float32.
        gradient_checkpointing: Whether to recompute a block's activations for its gradient: less
            memory, more time.
        lora: Adapters to train in place of the weights; None trains all weights.
        unwritten: Ids below `tokenizer_size` whose probability is 0, as in the environment.

    Attributes:
        tokenizer_size: As given.
        unwritten_tokens: (S,) int64, the ids of `unwritten`.
        trainable_parameters: Parameters that training changes: the adapters', or all.
        is_checkpointing: Whether gradients are checkpointed.
    """

    unwritten_tokens: torch.Tensor

    def __init__(
        self,
        folder: Path,
        tokenizer_size: int,
        temperature: float = 1.0,
        *,
        bfloat16: bool = False,
        gradient_checkpointing: bool = False,
        lora: LoRA | None = None,
        unwritten: Sequence[int] = (),
    ) -> None:
        # Every command loads this module: importing transformers at the top would cost each 3 s.
        from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoConfig

        super().__init__()
        # Each minibatch has another shape, and cuDNN would plan its attention anew for each; the
        # other kernels need no plan. The setting is one for the process; no other attention of
        # this package depends on it.
        torch.backends.cuda.enable_cudnn_sdp(False)
        # The tensors are those of the environment's model, whatever the names in the files:
        # transformers would replace weights that it does not find by random ones.
        self._architecture, shape, tensors = loading.read_checkpoint(folder, "cpu")
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        self._activation = _prepare(config)
        config.tie_word_embeddings = shape.is_tied
        kind = cast("type[PreTrainedModel]", MODEL_FOR_CAUSAL_LM_MAPPING[type(config)])
        with _no_progress_bar():
            named = self._architecture.with_prefix(tensors)
            options = {"state_dict": named, "dtype": torch.float32}
            model = kind.from_pretrained(None, config=config, **options)
        if lora is not None:
            lora.adapt(model, self._architecture.attention_inputs)
        self.model = model
        self.trainable_parameters = [each for each in model.parameters() if each.requires_grad]
        self.checkpoint_gradients(is_on=gradient_checkpointing)
        self.temperature, self._bfloat16 = temperature, bfloat16
        self.tokenizer_size = tokenizer_size
        # Not persistent: the tokenizer determines it, and checkpoints of former runs have no key.
        ids = torch.tensor(unwritten, dtype=torch.int64)
        self.register_buffer("unwritten_tokens", ids, persistent=False)

    @property
    def hidden_size(self) -> int:
        """Size D of a hidden state."""
        return self.model.config.hidden_size

    @property
    def head_weights(self) -> torch.Tensor:
        """(V, D) weights of the output layer; the token embeddings where the two are tied."""
        head = self.model.get_output_embeddings()
        assert isinstance(head, nn.Linear)
        return head.weight

    def set_trainable(self, *, is_on: bool) -> None:
        """Enables or disables gradients of the trainable parameters; enabled at first."""
        for parameter in self.trainable_parameters:
            parameter.requires_grad_(is_on)

    def checkpoint_gradients(self, *, is_on: bool) -> None:
        """Enables or disables the recomputation of a block's activations for its gradient."""
        self.is_checkpointing = is_on
        action = "enable" if is_on else "disable"
        current, older = f"activation_checkpointing_{action}", f"gradient_checkpointing_{action}"
        getattr(self.model, current if hasattr(self.model, current) else older)()

    def forward(self, tokens: torch.Tensor, **layout: torch.Tensor) -> torch.Tensor:
        """Computes hidden states (E, T, D) after the last norm, float32 or float64.

        Args:
            tokens: (E, T) int64; padding follows a text, where causal attention hides it.
            layout: `SharedPrompts.layout`, where tokens do not see all tokens before them.
        """
        device = tokens.device.type
        # The fused kernel of CPUs takes 20 times as long in the backward pass of short texts.
        kernel = sdpa_kernel(SDPBackend.MATH) if layout and device == "cpu" else nullcontext()
        with kernel, torch.autocast(device, torch.bfloat16, enabled=self._bfloat16):
            output = self.model.base_model(input_ids=tokens, use_cache=False, **layout)
            hidden = output.last_hidden_state
        return hidden.to(torch.promote_types(hidden.dtype, torch.float32))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Computes logits (M, V) of states (M, D) at the temperature.

        They are -inf beyond the tokenizer and for the unwritten tokens.
        """
        logits = hidden @ self.head_weights.T / self.temperature
        logits[:, self.tokenizer_size :] = -torch.inf
        return logits.index_fill(1, self.unwritten_tokens, -torch.inf)

    def logprobs_and_entropy(
        self, hidden: torch.Tensor, tokens: torch.Tensor, allowed: AllowedTokens | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Computes log-probabilities (M,) of tokens and entropies (M,) of the distributions, nats.

        The logits of a chunk are recomputed for its gradient, so that only one chunk is in memory.

        Args:
            hidden: (M, D) states before the tokens.
            tokens: (M,) int64 chosen tokens; always allowed, as they were when sampled.
            allowed: Restriction of the distribution; None for all tokens.
        """
        size, unwritten = self.tokenizer_size, self.unwritten_tokens
        head = _Head(self.temperature, size, unwritten, allowed, self._bfloat16)
        return _LogprobsAndEntropy.apply(hidden, self.head_weights, tokens, head)

    def decoder(self, dtype: torch.dtype) -> IncrementalDecoder:
        """Returns a decoder with the current weights in the form of the inference engine."""
        values, weights = self.exported_config(), merged_weights(self.model)
        config, tensors = self._architecture.read(values, weights, "the network in training")
        network = self._architecture.network(config, tensors, dtype)
        network.unwritten_tokens = self.unwritten_tokens if len(self.unwritten_tokens) else None
        return IncrementalDecoder(network, self.tokenizer_size, self.temperature)

    def exported_config(self) -> dict[str, Any]:
        """Returns the content of `config.json` for the current weights, as transformers reads it.

        The activation has the checkpoint's own name again.
        """
        given = self.model.config.to_dict()
        values = {k: v for k, v in given.items() if v is not None and k != "_name_or_path"}
        return values | {"dtype": "float32"} | self._activation

    def copy_weights_from(self, other: "TrainableNetwork") -> None:
        """Copies another network's weights, its adapters merged; this one has no adapters."""
        self.model.load_state_dict(merged_weights(other.model))


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    """Hides the bar of transformers: the tensors are in memory already."""
    from transformers.utils import logging as transformers_logging

    was_shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if was_shown:
            transformers_logging.enable_progress_bar()


def _prepare(config: "PreTrainedConfig") -> dict[str, str]:
    """Sets dropout to 0 and the activation to its fused form; returns the former activation."""
    for key in config.to_dict():
        if key.endswith(("pdrop", "dropout")):
            setattr(config, key, 0.0)
    former = {key: getattr(config, key) for key in _ACTIVATIONS if hasattr(config, key)}
    for key, activation in former.items():
        if activation == SLOW_GELU:
            setattr(config, key, FUSED_GELU)
    return former


@dataclass(frozen=True, slots=True)
class _Head:
    """Options of the map from a hidden state to a distribution over tokens."""

    temperature: float
    tokenizer_size: int
    unwritten: torch.Tensor
    allowed: AllowedTokens | None
    is_rounding: bool

    def distributions(
        self, hidden: torch.Tensor, embeddings: torch.Tensor, tokens: torch.Tensor
    ) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
        """Yields chunks of the M rows with log-probabilities and probabilities of each.

        Both are (rows, tokenizer_size) views of buffers that the next chunk overwrites, since
        allocating new memory would take as long as the computation.
        """
        named = embeddings[: self.tokenizer_size].T
        chunks = _chunks(len(hidden), len(embeddings), logits_per_chunk(hidden.device))
        buffers = hidden.new_empty(
            2, max((len(hidden[rows]) for rows in chunks), default=0), len(named.T)
        )
        for rows in chunks:
            known, probabilities = buffers[:, : len(hidden[rows])]
            logits = torch.mm(hidden[rows], named, out=probabilities).div_(self.temperature)
            logits.index_fill_(1, self.unwritten, MASKED_LOGIT)
            if self.allowed is not None:
                masked = (~self.allowed(rows)).scatter_(-1, tokens[rows, None], value=False)
                logits.masked_fill_(masked, MASKED_LOGIT)
            torch.log_softmax(logits, -1, out=known)
            yield rows, known, torch.exp(known, out=probabilities)


class _LogprobsAndEntropy(torch.autograd.Function):
    """Log-probabilities of tokens and entropies, (M,) each, a chunk of logits at a time.

    With p the probabilities, l their logarithms, H the entropy and w the token: d l_w / d logits is
    1_w - p, and d H / d logits is -p (l + H).
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        tokens: torch.Tensor,
        head: _Head,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logprobs, entropies = torch.empty_like(hidden[:, 0]), torch.empty_like(hidden[:, 0])
        with _products(is_rounding=head.is_rounding):
            for rows, known, probabilities in head.distributions(hidden, embeddings, tokens):
                logprobs[rows] = known.gather(-1, tokens[rows, None])[:, 0]
                entropies[rows] = -probabilities.mul_(known).sum(-1)
        ctx.save_for_backward(hidden, embeddings, tokens, entropies)
        ctx.head = head  # type: ignore[attr-defined]
        return logprobs, entropies

    @staticmethod
    def backward(  # type: ignore[override]  # of two outputs
        ctx: Any,  # noqa: ANN401
        of_logprobs: torch.Tensor,
        of_entropies: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None, None]:
        head: _Head = ctx.head
        hidden, embeddings, tokens, entropies = ctx.saved_tensors
        of_hidden, of_embeddings = torch.empty_like(hidden), None
        if ctx.needs_input_grad[1]:
            of_embeddings = torch.empty_like(embeddings)
            of_embeddings[head.tokenizer_size if len(hidden) else 0 :] = 0.0
        with _products(is_rounding=head.is_rounding):
            for rows, known, probabilities in head.distributions(hidden, embeddings, tokens):
                weights = known.add_(entropies[rows, None]).mul_(of_entropies[rows, None])
                of_logits = weights.add_(of_logprobs[rows, None]).mul_(probabilities).neg_()
                of_logits.scatter_add_(-1, tokens[rows, None], of_logprobs[rows, None])
                of_logits.div_(head.temperature)
                of_hidden[rows] = of_logits @ embeddings[: head.tokenizer_size]
                if of_embeddings is not None:
                    named, is_first = of_embeddings[: head.tokenizer_size], rows.start == 0
                    named.addmm_(of_logits.T, hidden[rows], beta=0.0 if is_first else 1.0)
        return of_hidden, of_embeddings, None, None


@contextmanager
def _products(*, is_rounding: bool) -> Iterator[None]:
    """Lets float32 matrix products round factors, not sums, if `is_rounding`.

    On CPU they are rounded to bfloat16, on CUDA to TF32, which has three bits more.
    """
    on_cpu = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # made at import
    on_cuda = torch.backends.cuda.matmul
    before = on_cpu.fp32_precision, on_cuda.fp32_precision
    if is_rounding:
        on_cpu.fp32_precision, on_cuda.fp32_precision = "bf16", "tf32"
    try:
        yield
    finally:
        on_cpu.fp32_precision, on_cuda.fp32_precision = before


def logits_per_chunk(device: torch.device) -> int:
    """Returns the maximum number of logits in memory on a device."""
    return LOGITS_PER_CHUNK_ON_CUDA if device.type == "cuda" else LOGITS_PER_CHUNK


def _chunks(count: int, vocab_size: int, num_logits: int) -> list[slice]:
    size = max(1, num_logits // vocab_size)
    return [slice(first, first + size) for first in range(0, count, size)]
