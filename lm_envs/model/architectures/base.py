"""What an architecture supplies, so that its checkpoints load, run and train: the contract.

Owns the names of the parts and the two rules that hold for all: prefixes of tensor names, and when
a checkpoint has an output head of its own. Knows no architecture.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from lm_envs.model.base import LanguageModel, ModelConfig

HEAD = "lm_head.weight"
"""Tensor of the output layer, (V, D); absent where it is the token embeddings."""

_WRAPPERS = r"module\.|_orig_mod\."
"""Prefixes of DistributedDataParallel and torch.compile."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """How the checkpoints of one kind of network are read, computed and trained.

    Attributes:
        network: Called with a `ModelConfig`, tensors by name, a dtype and `int8=`, and on a GPU
            with `deterministic=True` where a user asks for it; returns the network. Copies the
            tensors.
        parse_config: Called with the content of `config.json` and the file's name; returns the
            `ModelConfig`, or raises ValueError that names the file, the key, its value and what is
            allowed.
        tensor_shapes: Returns the shapes of all tensors of a checkpoint by name, without prefix.
        hidden_states: Called with a `ModelConfig`, tensors by name and tokens (E, T) int64; returns
            hidden states (E, T, D) after the last norm, differentiable, in plain PyTorch.
        prefix: Of the tensors other than the head in files of a model with a head.
        embeddings: Name of the token embeddings.
        layer: Prefix of a layer's tensors, with `{}` for its number.
        attention_inputs: Linears of a layer that make queries, keys and values; those that
            adapters are trained for where no others are named.
        buffers: Tensors that early files hold and no network needs.
    """

    network: Callable[..., LanguageModel]
    parse_config: Callable[[Mapping[str, Any], str], ModelConfig]
    tensor_shapes: Callable[[ModelConfig], Mapping[str, tuple[int, ...]]]
    hidden_states: Callable[[ModelConfig, Mapping[str, torch.Tensor], torch.Tensor], torch.Tensor]
    prefix: str
    embeddings: str
    layer: str
    attention_inputs: tuple[str, ...]
    buffers: re.Pattern[str]

    def read(
        self, values: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], source: str
    ) -> tuple[ModelConfig, dict[str, torch.Tensor]]:
        """Returns the shape of a checkpoint and its tensors by the names of `tensor_shapes`.

        An output head that is equal to the token embeddings is dropped, and stands for them where
        they are missing. One that differs is kept: the config is then not tied.

        Args:
            values: Content of `config.json`.
            tensors: Tensors by the names of their file, with or without prefix.
            source: Name of the folder, for messages.

        Raises:
            ValueError: If the config is of another network, two tensors have the same name, or the
                config ties a head that differs from the embeddings.
        """
        config = self.parse_config(values, f"{source}/config.json")
        if config.num_layers > len(tensors):  # before a table of all names is made
            raise ValueError(
                f"Got {config.num_layers} layers in {source}/config.json, but {len(tensors)} "
                "tensors with it; allowed: the config.json that was saved with the weights."
            )
        named = self._without_prefixes(tensors, source)
        if not config.is_tied:
            return config, named
        head = named.get(HEAD)
        if head is None or torch.equal(head, named.setdefault(self.embeddings, head)):
            named.pop(HEAD, None)
            return config, named
        if values.get("tie_word_embeddings") is None:
            return replace(config, is_tied=False), named
        raise ValueError(
            f"Got {HEAD!r} other than {self.embeddings!r} in {source}, whose config.json has "
            "tie_word_embeddings=true; allowed: a head that is equal to the embeddings, or "
            "tie_word_embeddings=false in config.json, by which the head is used."
        )

    def with_prefix(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Returns tensors by their names in transformers, for the names of `tensor_shapes`."""
        return {name if name == HEAD else self.prefix + name: t for name, t in tensors.items()}

    def _without_prefixes(
        self, tensors: Mapping[str, torch.Tensor], source: str
    ) -> dict[str, torch.Tensor]:
        prefixes = re.compile(rf"({_WRAPPERS}|{re.escape(self.prefix)})+")
        found: dict[str, torch.Tensor] = {}
        for full_name, tensor in tensors.items():
            name = prefixes.sub("", full_name, count=1) if prefixes.match(full_name) else full_name
            if name in found:
                raise ValueError(
                    f"Got two tensors {name!r} in {source}; allowed: one, with or without the "
                    f"prefix {self.prefix!r}. Remove the one that was not trained last."
                )
            if not self.buffers.fullmatch(name):
                found[name] = tensor
        return found
