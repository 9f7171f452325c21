"""Conversion of text to token ids and back, also for incomplete UTF-8.

Owns the byte-level BPE vocabulary and the tokens that end a text. Knows nothing of models or
tensors; importing it does not import torch.
"""

import codecs
import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers.models import BPE

END_OF_TEXT = "<|endoftext|>"
SHARED_TOKENIZERS = 8
"""Number of tokenizers that a process keeps: each holds a cache of its own as long as it lives."""

_FILES = (
    *("tokenizer.json", "vocab.json", "merges.txt", "added_tokens.json"),
    *("tokenizer_config.json", "generation_config.json", "config.json"),
)


class Tokenizer:
    """Byte-level BPE of GPT-2: each id stands for a byte string, and every text can be encoded.

    Added tokens inside a text, such as `<|user|>`, are encoded as one id. The characters of an end
    token or of the padding token are encoded as ordinary characters, so that data cannot end an
    episode.

    Args:
        backend: A byte-level BPE tokenizer; its padding and truncation are switched off.
        end_token: Id of the end-of-text token, or ids of several; default the id of `END_OF_TEXT`.
        pad_token: Id of the padding token; None if there is none, or if it is an end token.

    Attributes:
        end_token: Id of the end-of-text token; the first, if there are several.
        end_tokens: (E,) int64 ids of all tokens that end a text.
        token_bytes: Bytes of each id; empty for end tokens.

    Raises:
        ValueError: If the vocabulary is empty, has no end-of-text token, is not byte-level or has
            ids without a token.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        end_token: int | Sequence[int] | None = None,
        pad_token: int | None = None,
    ) -> None:
        given = backend.token_to_id(END_OF_TEXT) if end_token is None else end_token
        ends = [given] if isinstance(given, int) else list(given or ())
        if backend.get_vocab_size() == 0 or not ends:
            raise ValueError(
                f"Got a vocabulary of {backend.get_vocab_size()} tokens without {END_OF_TEXT!r}; "
                "allowed: a byte-level GPT-2 tokenizer, or an eos_token_id in "
                "generation_config.json."
            )
        if pad_token in ends:  # as in GPT-2's own checkpoints, where one token is both
            pad_token = None
        backend = _with_plain_text(backend, [*ends, pad_token])
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True
        self._backend = backend
        self.end_token: int = ends[0]
        self.end_tokens = np.array(ends, np.int64)
        self.token_bytes = _token_bytes(backend, [*ends, pad_token])
        self._size = len(self.token_bytes)
        if pad_token == self._size - 1:  # padding is never written: the last id is left out
            self._size -= 1

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """Loads `tokenizer.json`, or else `vocab.json` and `merges.txt` with `added_tokens.json`.

        A text ends at the tokens that `generation_config.json` (or else `config.json`) names in
        `eos_token_id`, a number or a list, and at the `eos_token` of `tokenizer_config.json`, which
        comes first; at `END_OF_TEXT` if the files name none. Calls for the same files return the
        same object.

        Raises:
            FileNotFoundError: If the folder holds neither.
            ValueError: If a file is malformed, or is not byte-level BPE.
        """
        files = [folder / name for name in _FILES]
        stamps = [path.stat() if path.is_file() else None for path in files]
        return _load(folder, tuple(each and (each.st_mtime_ns, each.st_size) for each in stamps))

    def __len__(self) -> int:
        """Number of ids that can be written: all, but for a padding token that is the last."""
        return self._size

    def encode(self, text: str) -> np.ndarray:
        """Returns the ids of a text, (T,) int64, which never include the end-of-text token.

        Raises:
            ValueError: If the text contains a lone surrogate, which UTF-8 cannot encode.
        """
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"Got a lone surrogate at character {error.start} of {text[:40]!r}; text must be "
                "valid Unicode. Read the file as UTF-8, or drop the character."
            ) from None
        return np.array(self._backend.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    def decode(self, tokens: np.ndarray) -> str:
        """Returns the text of ids (T,), without an incomplete character at the end."""
        return text_of(b"".join([self.token_bytes[token] for token in tokens]))

    @cached_property
    def token_texts(self) -> list[str | None]:
        """Text of each id; None where its bytes end in an incomplete character.

        It is what the token adds to any text that is not incomplete itself.
        """
        decoded = map(decode_prefix, self.token_bytes)
        return [None if incomplete else text for text, incomplete in decoded]


def text_of(data: bytes) -> str:
    """Decodes UTF-8: invalid bytes become U+FFFD, an incomplete last character is left out."""
    return decode_prefix(data)[0]


def decode_prefix(data: bytes) -> tuple[str, bytes]:
    """Decodes UTF-8 like `text_of`; returns also the bytes of the incomplete last character.

    Decoding continues from them: the text of more bytes after `data` is this text and that of the
    incomplete bytes with the new ones.
    """
    text, size = codecs.utf_8_decode(data, "replace", False)
    return text, data[size:]


@lru_cache(maxsize=SHARED_TOKENIZERS)
def _load(folder: Path, stamps: tuple[object, ...]) -> Tokenizer:
    try:
        backend = _backend(folder)
        names = _read_json(folder / "tokenizer_config.json")
        model = _read_json(folder / "config.json")
        generation = _read_json(folder / "generation_config.json")
        source = generation if generation.get("eos_token_id") is not None else model
        ends = [_id_of(backend, names.get("eos_token")), *_ids(source.get("eos_token_id"))]
        # Ids of another vocabulary: GPT2Config's default is 50256 for a vocabulary of any size.
        known = [each for each in ends if each is not None and backend.id_to_token(each)]
        pads = [_id_of(backend, names.get("pad_token")), *_ids(generation.get("pad_token_id"))]
        pad = next((each for each in pads if each is not None), None)
        return Tokenizer(backend, list(dict.fromkeys(known)) or None, pad)
    except (FileNotFoundError, ValueError):
        raise
    except Exception as error:  # the Rust parser raises plain Exception
        raise ValueError(
            f"Got an unreadable tokenizer in {folder} ({error}); save it again with "
            "`tokenizer.save_pretrained(folder)`."
        ) from None


def _read_json(path: Path) -> dict[str, Any]:
    """Content of a file that a checkpoint may lack."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"Got a broken {path} ({error}); allowed: JSON.") from None
    if not isinstance(values, dict):
        raise ValueError(f"Got {type(values).__name__} in {path}; allowed: a JSON object.")
    return values


def _id_of(backend: tokenizers.Tokenizer, name: Any) -> int | None:  # noqa: ANN401 - from JSON
    """Id of a token that is named by its text, or by {"content": text}."""
    text = name.get("content") if isinstance(name, dict) else name
    return backend.token_to_id(text) if isinstance(text, str) else None


def _ids(value: Any) -> list[int]:  # noqa: ANN401 - a value of a JSON file
    """Ids of `eos_token_id`: a number, a list or nothing."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if type(each) is int and each >= 0]


def _with_plain_text(
    backend: tokenizers.Tokenizer, plain: Sequence[int | None]
) -> tokenizers.Tokenizer:
    """A tokenizer that encodes added tokens as one id, but those of `plain` as characters.

    With `encode_special_tokens` the backend encodes special tokens as characters, so special are
    exactly those.
    """
    added = backend.get_added_tokens_decoder()
    if all(token.special == (index in plain) for index, token in added.items()):
        return backend
    state = json.loads(backend.to_str())
    for token in state["added_tokens"]:
        token["special"] = token["id"] in plain
    return tokenizers.Tokenizer.from_str(json.dumps(state))


def _token_bytes(backend: tokenizers.Tokenizer, silent: Sequence[int | None]) -> list[bytes]:
    """Bytes of each id; empty for the ids in `silent`."""
    unicode_to_byte = {character: byte for byte, character in _byte_characters().items()}
    vocabulary = backend.get_vocab()
    table = [b""] * len(vocabulary)
    if vocabulary and max(vocabulary.values()) >= len(table):
        raise ValueError(
            f"Got a vocabulary of {len(table)} tokens with ids up to {max(vocabulary.values())}; "
            "allowed: a token for each id. Add the missing tokens."
        )
    added = backend.get_added_tokens_decoder()
    for name, token in vocabulary.items():
        if token in added:  # their names are plain text, not byte characters
            table[token] = name.encode()
        elif unicode_to_byte.keys() >= set(name):
            table[token] = bytes(unicode_to_byte[character] for character in name)
        else:
            raise ValueError(
                f"Got the token {name!r} in a vocabulary; allowed: byte-level BPE, as in GPT-2. "
                "WordPiece and SentencePiece vocabularies cannot be converted: use a model that "
                "was trained with GPT-2's kind of tokenizer."
            )
    for token in silent:
        if token is not None:
            table[token] = b""
    return table


def _backend(folder: Path) -> tokenizers.Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if not (vocabulary.is_file() and merges.is_file()):
        if (folder / "vocab.txt").is_file():
            raise ValueError(
                f"Got a WordPiece vocabulary, vocab.txt, in {folder}; allowed: byte-level BPE, as "
                "in GPT-2, which it cannot be converted to. Use another model."
            )
        raise FileNotFoundError(
            f"Got {folder} without a tokenizer; allowed: a folder with tokenizer.json, or "
            "vocab.json and merges.txt. Save one there with `tokenizer.save_pretrained(folder)`."
        )
    backend = _byte_level(BPE.from_file(str(vocabulary), str(merges)))
    added = _read_json(folder / "added_tokens.json")
    backend.add_tokens(sorted(added, key=lambda name: added[name]))
    for name, token in added.items():
        if backend.token_to_id(name) != token:
            raise ValueError(
                f"Got the added token {name!r} with id {token!r} in {folder}; allowed: "
                f"{backend.token_to_id(name)}, the next id after vocab.json."
            )
    return backend


def _byte_level(model: BPE) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    if backend.token_to_id(END_OF_TEXT) is not None:
        backend.add_special_tokens([END_OF_TEXT])
    return backend


def _byte_characters() -> dict[int, str]:
    """Printable character for each byte in the vocabulary files of GPT-2.

    Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(printable))
    return table
