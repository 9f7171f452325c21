"""GPT-2 to be trained: hidden states of whole texts, and log-probabilities a few rows at a time.

Owns the parameters. Knows nothing of episodes, rewards or Stable-Baselines3.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.autograd.function import FunctionCtx
from transformers import GPT2LMHeadModel

from agents.language_model.incremental_decoder import Decoder
from agents.language_model.lora import LoRA, merged_weights
from lm_envs.model.gpt2 import GPT2, to_model_config

FUSED_GELU = "gelu_pytorch_tanh"
"""GPT-2's activation, "gelu_new", as one operation that keeps one tensor for its gradient."""

LOGITS_PER_CHUNK = 2**23
"""Most logits that exist at once: 32 MiB in float32, whatever the batch and the vocabulary."""


MASKED = -1e4
"""Logit of a word that may not be chosen: its probability is 0, and 0 times its logarithm too."""

Keep = Callable[[slice], torch.Tensor]
"""Says for some of M rows which words may be chosen there, (rows, num_words) bool."""


class TrainableGPT2(nn.Module):
    """The `GPT2LMHeadModel` of a checkpoint, without dropout.

    Dropout would make the first ratio of PPO's update differ from 1.

    Args:
        folder: Holds config.json and model.safetensors.
        num_words: Words that have a name; the others are never chosen.
        temperature: What logits are divided by.
        bfloat16: Run the blocks under bfloat16 autocast, and round what is multiplied for logits;
            weights, norms, sums and logits stay float32.
        gradient_checkpointing: Compute a block's activations again for its gradient: less memory,
            more time.
        lora: Adapters, which alone are learned; None learns all weights.

    Attributes:
        num_words: As given.
        learned: The parameters that learning changes: the adapters', or all.
        is_checkpointing: Whether gradients are checkpointed.
    """

    def __init__(
        self,
        folder: Path,
        num_words: int,
        temperature: float = 1.0,
        *,
        bfloat16: bool = False,
        gradient_checkpointing: bool = False,
        lora: LoRA | None = None,
    ) -> None:
        super().__init__()
        model = GPT2LMHeadModel.from_pretrained(
            folder,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            activation_function=FUSED_GELU,
        )
        assert isinstance(model, GPT2LMHeadModel)
        if lora is not None:
            lora.adapt(model)
        self.model = model
        self.learned = [each for each in model.parameters() if each.requires_grad]
        self.checkpoint_gradients(is_on=gradient_checkpointing)
        self.temperature = temperature
        self._bfloat16 = bfloat16
        self.num_words = num_words

    @property
    def width(self) -> int:
        """D, size of a hidden state."""
        return self.model.config.n_embd

    def let_learn(self, *, is_on: bool) -> None:
        """Whether what can be learned has gradients; at first it has."""
        for parameter in self.learned:
            parameter.requires_grad_(is_on)

    def checkpoint_gradients(self, *, is_on: bool) -> None:
        """Whether a block's activations are kept for its gradient or computed again."""
        self.is_checkpointing = is_on
        action = "enable" if is_on else "disable"
        current, older = f"activation_checkpointing_{action}", f"gradient_checkpointing_{action}"
        getattr(self.model, current if hasattr(self.model, current) else older)()

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Hidden states (E, T, D), float32 or better, after the last norm, of texts (E, T).

        Padding stands after a text, where causal attention keeps it from everything that counts.
        """
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self._bfloat16):
            hidden = self.model.transformer(input_ids=tokens, use_cache=False).last_hidden_state
        return hidden.to(torch.promote_types(hidden.dtype, torch.float32))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (M, V) by temperature, -inf for words without a name, of hidden states (M, D)."""
        embeddings = self.model.transformer.wte.weight
        logits = hidden @ embeddings.T / self.temperature
        logits[:, self.num_words :] = -torch.inf
        return logits

    def judge(
        self, hidden: torch.Tensor, words: torch.Tensor, keep: Keep | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of a word (M,) after each hidden state (M, D), and the entropy there.

        Both (M,), in nats. The logits of a chunk are computed again for its gradient, so that those
        of two chunks never exist together.

        Args:
            hidden: (M, D).
            words: (M,); they were chosen, so they may be, whatever `keep` says.
            keep: None for all words.
        """
        head = _Head(self.temperature, self.num_words, keep, self._bfloat16)
        return _Judgment.apply(hidden, self.model.transformer.wte.weight, words, head)

    def decoder(self, dtype: torch.dtype) -> Decoder:
        """The weights in the engine's form, for as long as they stay as they are now."""
        config = to_model_config(self.model.config.to_dict())
        network = GPT2(config, merged_weights(self.model.transformer), dtype)
        return Decoder(network, self.num_words, self.temperature)

    def take_over(self, other: "TrainableGPT2") -> None:
        """Gives this network, which has no adapters, the weights that another one acts by."""
        self.model.load_state_dict(merged_weights(other.model))


@dataclass(frozen=True, slots=True)
class _Head:
    """What makes a distribution over words of a hidden state."""

    temperature: float
    num_words: int
    keep: Keep | None
    is_rounding: bool

    def distributions(
        self, hidden: torch.Tensor, embeddings: torch.Tensor, words: torch.Tensor
    ) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
        """Chunks of the M rows, with log-probabilities and probabilities (rows, num_words) of each.

        They are the caller's until the next chunk takes their place, for new memory costs as much
        time as what is computed in it.
        """
        named = embeddings[: self.num_words].T
        chunks = _chunks(len(hidden), len(embeddings))
        room = hidden.new_empty(
            2, max((len(hidden[rows]) for rows in chunks), default=0), len(named.T)
        )
        for rows in chunks:
            known, probabilities = room[:, : len(hidden[rows])]
            logits = torch.mm(hidden[rows], named, out=probabilities).div_(self.temperature)
            if self.keep is not None:
                masked = (~self.keep(rows)).scatter_(-1, words[rows, None], value=False)
                logits.masked_fill_(masked, MASKED)
            torch.log_softmax(logits, -1, out=known)
            yield rows, known, torch.exp(known, out=probabilities)


class _Judgment(torch.autograd.Function):
    """Log-probabilities of words and entropies, (M,) each, a chunk of logits at a time.

    With p the probabilities, l their logarithms, H the entropy and w the word: d l_w / d logits is
    1_w - p, and d H / d logits is -p (l + H).
    """

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        hidden: torch.Tensor,
        embeddings: torch.Tensor,
        words: torch.Tensor,
        head: _Head,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logprobs, entropies = torch.empty_like(hidden[:, 0]), torch.empty_like(hidden[:, 0])
        with _products(is_rounding=head.is_rounding):
            for rows, known, probabilities in head.distributions(hidden, embeddings, words):
                logprobs[rows] = known.gather(-1, words[rows, None])[:, 0]
                entropies[rows] = -probabilities.mul_(known).sum(-1)
        ctx.save_for_backward(hidden, embeddings, words, entropies)
        ctx.head = head  # type: ignore[attr-defined]
        return logprobs, entropies

    @staticmethod
    def backward(  # type: ignore[override]  # of two outputs
        ctx: Any,  # noqa: ANN401
        of_logprobs: torch.Tensor,
        of_entropies: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor | None, None, None]:
        head: _Head = ctx.head
        hidden, embeddings, words, entropies = ctx.saved_tensors
        of_hidden, of_embeddings = torch.empty_like(hidden), None
        if ctx.needs_input_grad[1]:
            of_embeddings = torch.empty_like(embeddings)
            of_embeddings[head.num_words if len(hidden) else 0 :] = 0.0
        with _products(is_rounding=head.is_rounding):
            for rows, known, probabilities in head.distributions(hidden, embeddings, words):
                weights = known.add_(entropies[rows, None]).mul_(of_entropies[rows, None])
                of_logits = weights.add_(of_logprobs[rows, None]).mul_(probabilities).neg_()
                of_logits.scatter_add_(-1, words[rows, None], of_logprobs[rows, None])
                of_logits.div_(head.temperature)
                of_hidden[rows] = of_logits @ embeddings[: head.num_words]
                if of_embeddings is not None:
                    named, is_first = of_embeddings[: head.num_words], rows.start == 0
                    named.addmm_(of_logits.T, hidden[rows], beta=0.0 if is_first else 1.0)
        return of_hidden, of_embeddings, None, None


@contextmanager
def _products(*, is_rounding: bool) -> Iterator[None]:
    """Whether float32 matrix products on CPU may round factors to bfloat16, though not sums."""
    settings = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]  # made at import
    before = settings.fp32_precision
    if is_rounding:
        settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        settings.fp32_precision = before


def _chunks(count: int, vocab_size: int) -> list[slice]:
    size = max(1, LOGITS_PER_CHUNK // vocab_size)
    return [slice(first, first + size) for first in range(0, count, size)]
