"""The bytes that each token id adds to a text, by the decoder of its tokenizer.

Owns the kinds of tokenizers whose texts are the bytes of their tokens one after the other, and how
such a tokenizer encodes a text that continues another. Knows nothing of folders.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import tokenizers

_BYTE_PIECE = re.compile(r"<0x([0-9A-F]{2})>")
"""Piece of a byte that no other piece contains, in SentencePiece's vocabularies."""

_JOINED = frozenset({"WordPiece", "Metaspace", "Replace", "ByteFallback", "Fuse", "Strip"})
"""Decoders by which what a token adds depends on that token alone, but for the first space."""

_DROP_FIRST_SPACE = frozenset({"WordPiece", "Metaspace", "Strip"})
"""Decoders that drop the space before the first token of a text."""


def token_bytes(backend: tokenizers.Tokenizer, silent: Sequence[int | None]) -> list[bytes]:
    """Bytes that each id adds to a text that is not empty; none for the ids in `silent`.

    Raises:
        ValueError: If ids have no token, or what a token adds depends on other tokens.
    """
    vocabulary = backend.get_vocab()
    table = [b""] * len(vocabulary)
    if vocabulary and max(vocabulary.values()) >= len(table):
        raise ValueError(
            f"Got a vocabulary of {len(table)} tokens with ids up to {max(vocabulary.values())}; "
            "allowed: a token for each id. Add the missing tokens."
        )
    kinds = decoder_kinds(backend)
    if not kinds or "ByteLevel" in kinds:
        _fill_byte_level(table, vocabulary, set(backend.get_added_tokens_decoder()))
    elif kinds <= _JOINED:
        _fill_joined(table, backend, vocabulary, kinds)
    else:
        raise ValueError(
            f"Got a tokenizer with the decoder {', '.join(sorted(kinds))}; allowed: byte-level BPE "
            "(GPT-2, Llama 3, Qwen), WordPiece (BERT), or SentencePiece's Metaspace and byte "
            "fallback (Llama 2, Mistral). Use a model with one of them."
        )
    for token in silent:
        if token is not None:
            table[token] = b""
    return table


def drops_first_space(backend: tokenizers.Tokenizer) -> bool:
    """Whether the tokenizer leaves out the space before the first token when it decodes."""
    return bool(decoder_kinds(backend) & _DROP_FIRST_SPACE)


def without_first_space(backend: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """A tokenizer that encodes a text without the space that SentencePiece puts before it.

    What continues a text is encoded by it: "ing" is no word of its own. The tokenizer itself is
    returned where it puts no space.
    """
    pre_tokenizer = _parts(_state(backend.pre_tokenizer), "pretokenizers")
    kinds = {each["type"] for each in pre_tokenizer}
    kinds |= {each["type"] for each in _parts(_state(backend.normalizer), "normalizers")}
    if kinds.isdisjoint({"Metaspace", "Prepend"}):
        return backend
    state = json.loads(backend.to_str())
    kept = _parts(state["normalizer"], "normalizers")
    kept = [each for each in kept if each["type"] != "Prepend"]
    state["normalizer"] = {"type": "Sequence", "normalizers": kept} if kept else None
    for part in _parts(state["pre_tokenizer"], "pretokenizers"):
        if part["type"] == "Metaspace":
            part["prepend_scheme"] = "never"
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def decoder_kinds(backend: tokenizers.Tokenizer) -> frozenset[str]:
    """Names of the parts of a tokenizer's decoder; empty if it has none."""
    return frozenset(part["type"] for part in _parts(_state(backend.decoder), "decoders"))


def _state(component: Any) -> dict[str, Any] | None:  # noqa: ANN401 - tokenizers has no base class
    """A part of a tokenizer as JSON; the state of the whole would take a second."""
    return None if component is None else json.loads(component.__getstate__())


def _parts(state: dict[str, Any] | None, key: str) -> list[dict[str, Any]]:
    """The parts of a sequence, at any depth, or the one part."""
    if state is None:
        return []
    if state["type"] != "Sequence":
        return [state]
    return [part for each in state[key] for part in _parts(each, key)]


def _fill_byte_level(table: list[bytes], vocabulary: dict[str, int], added: set[int]) -> None:
    unicode_to_byte = {character: byte for byte, character in byte_characters().items()}
    for name, token in vocabulary.items():
        if token in added:  # their names are plain text, not byte characters
            table[token] = name.encode()
            continue
        if not unicode_to_byte.keys() >= set(name):
            raise ValueError(
                f"Got the token {name!r} in a vocabulary; allowed: byte-level BPE, as in GPT-2, "
                "or a tokenizer.json whose decoder says how tokens are joined."
            )
        table[token] = bytes(unicode_to_byte[character] for character in name)


def _fill_joined(
    table: list[bytes],
    backend: tokenizers.Tokenizer,
    vocabulary: dict[str, int],
    kinds: frozenset[str],
) -> None:
    """What the tokenizer itself adds when it decodes each token after one and the same token."""
    letters = [name for name in sorted(vocabulary) if name.isalnum()]
    first = vocabulary[letters[0]] if letters else next(iter(vocabulary.values()))
    before = backend.decode([first], skip_special_tokens=False)
    ids = list(vocabulary.values())
    texts = backend.decode_batch([[first, token] for token in ids], skip_special_tokens=False)
    for token, text in zip(ids, texts, strict=True):
        table[token] = text.removeprefix(before).encode()
    if "ByteFallback" in kinds:
        for name, token in vocabulary.items():
            if match := _BYTE_PIECE.fullmatch(name):
                table[token] = bytes([int(match[1], 16)])


def byte_characters() -> dict[int, str]:
    """Printable character for each byte in the vocabulary files of GPT-2.

    Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(printable))
    return table
