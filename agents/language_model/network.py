"""GPT-2 to be trained: hidden states of whole texts, and log-probabilities a few rows at a time.

Owns the parameters. Knows nothing of episodes, rewards or Stable-Baselines3.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import GPT2LMHeadModel

from lm_envs.model.gpt2 import GPT2, GPT2Config

LOGITS_PER_CHUNK = 2**21
"""Most logits that exist at once: 8 MiB in float32, whatever the batch and the vocabulary."""


class TrainableGPT2(nn.Module):
    """The `GPT2LMHeadModel` of a checkpoint, without dropout.

    Dropout would make the first ratio of PPO's update differ from 1.

    Args:
        folder: Holds config.json and model.safetensors.
        num_words: Words that have a name; the others are never chosen.
        temperature: What logits are divided by.
        bfloat16: Run the blocks under bfloat16 autocast; weights, norms and logits stay float32.
        gradient_checkpointing: Compute a block's activations again for its gradient: less memory,
            more time.
    """

    _is_nameless: torch.Tensor

    def __init__(
        self,
        folder: Path,
        num_words: int,
        temperature: float = 1.0,
        *,
        bfloat16: bool = False,
        gradient_checkpointing: bool = False,
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
        )
        assert isinstance(model, GPT2LMHeadModel)
        self.model = model
        if gradient_checkpointing:
            model.gradient_checkpointing_enable()
        self.temperature = temperature
        self._bfloat16 = bfloat16
        is_nameless = torch.arange(model.config.vocab_size) >= num_words
        self.register_buffer("_is_nameless", is_nameless, persistent=False)

    @property
    def width(self) -> int:
        """D, size of a hidden state."""
        return self.model.config.n_embd

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Hidden states (E, T, D), float32 or better, after the last norm, of texts (E, T).

        Padding stands after a text, where causal attention keeps it from everything that counts.
        """
        with torch.autocast(tokens.device.type, torch.bfloat16, enabled=self._bfloat16):
            hidden = self.model.transformer(input_ids=tokens, use_cache=False).last_hidden_state
        return hidden.to(torch.promote_types(hidden.dtype, torch.float32))

    def logits(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits (M, V) by temperature, -inf for words without a name, of hidden states (M, D)."""
        logits = hidden @ self.model.transformer.wte.weight.T / self.temperature
        return logits.masked_fill(self._is_nameless, -torch.inf)

    def judge(self, hidden: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of a word (M,) after each hidden state (M, D), and the entropy there.

        Both (M,), in nats. The logits of a chunk are computed again for its gradient, so that those
        of two chunks never exist together.
        """
        size = max(1, LOGITS_PER_CHUNK // self.model.config.vocab_size)
        parts = [
            checkpoint(self._judge_chunk, states, chosen, use_reentrant=False)
            for states, chosen in zip(hidden.split(size), words.split(size), strict=True)
        ]
        logprobs, entropies = zip(*parts, strict=True)
        return torch.cat(logprobs), torch.cat(entropies)

    def _judge_chunk(
        self, hidden: torch.Tensor, words: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        logprobs = self.logits(hidden).log_softmax(-1)
        chosen = logprobs.gather(-1, words[:, None])[:, 0]
        finite = logprobs.masked_fill(self._is_nameless, 0.0)
        return chosen, -(finite.exp() * finite).masked_fill(self._is_nameless, 0.0).sum(-1)

    def for_decoding(self, dtype: torch.dtype) -> GPT2:
        """The same weights in the engine's form, as they are now."""
        config = self.model.config
        shape = GPT2Config(
            vocab_size=config.vocab_size,
            n_positions=config.n_positions,
            n_embd=config.n_embd,
            n_layer=config.n_layer,
            n_head=config.n_head,
            n_inner=config.n_inner or 4 * config.n_embd,
            layer_norm_epsilon=config.layer_norm_epsilon,
        )
        weights: Mapping[str, torch.Tensor] = {
            name: tensor.detach().clone()
            for name, tensor in self.model.transformer.state_dict().items()
        }
        return GPT2(shape, weights, dtype)
