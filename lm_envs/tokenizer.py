"""Conversion of text to token ids and back, also for incomplete UTF-8.

Owns the byte-level BPE vocabulary. Knows nothing of models or tensors; importing it does not import
torch.
"""

import codecs
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers.models import BPE

END_OF_TEXT = "<|endoftext|>"


class Tokenizer:
    """Byte-level BPE of GPT-2: each id stands for a byte string, and every text can be encoded.

    The characters `<|endoftext|>` inside a text are encoded as ordinary characters, never as the
    end-of-text token, so that data cannot end an episode.

    Args:
        backend: A byte-level BPE tokenizer; its padding and truncation are switched off.
        end_token: Id of the end-of-text token; default the id of `END_OF_TEXT`.

    Attributes:
        end_token: Id of the end-of-text token.

    Raises:
        ValueError: If the vocabulary is empty or has no end-of-text token.
    """

    def __init__(self, backend: tokenizers.Tokenizer, end_token: int | None = None) -> None:
        end = backend.token_to_id(END_OF_TEXT) if end_token is None else end_token
        if backend.get_vocab_size() == 0 or end is None:
            raise ValueError(
                f"Got a vocabulary of {backend.get_vocab_size()} tokens without {END_OF_TEXT!r}; "
                "allowed: a byte-level GPT-2 tokenizer."
            )
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True
        self._backend = backend
        self.end_token: int = end
        self._num_ids = backend.get_vocab_size()

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """Loads `tokenizer.json`, or else `vocab.json` and `merges.txt`.

        Raises:
            FileNotFoundError: If the folder holds neither.
            ValueError: If a file is malformed, or is not byte-level BPE.
        """
        try:
            return cls(_backend(folder))
        except (FileNotFoundError, ValueError):
            raise
        except Exception as error:  # the Rust parser raises plain Exception
            raise ValueError(
                f"Got an unreadable tokenizer in {folder} ({error}); save it again with "
                "`tokenizer.save_pretrained(folder)`."
            ) from None

    def __len__(self) -> int:
        return self._backend.get_vocab_size()

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

    def widen(self, num_ids: int) -> None:
        """Adds ids without text up to `num_ids`, for models whose vocabulary is padded."""
        self._num_ids = max(num_ids, len(self))
        self.__dict__.pop("token_bytes", None)
        self.__dict__.pop("token_texts", None)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """Bytes of each id; empty for the end-of-text token and for ids added by `widen`."""
        unicode_to_byte = {character: byte for byte, character in _byte_characters().items()}
        table = [b""] * self._num_ids
        added = self._backend.get_added_tokens_decoder()
        for name, token in self._backend.get_vocab().items():
            if token in added:  # their names are plain text, not byte characters
                table[token] = name.encode()
            elif unicode_to_byte.keys() >= set(name):
                table[token] = bytes(unicode_to_byte[character] for character in name)
            else:
                raise ValueError(
                    f"Got the token {name!r} in a vocabulary; allowed: byte-level BPE, as in GPT-2."
                )
        table[self.end_token] = b""
        return table

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


def _backend(folder: Path) -> tokenizers.Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if not (vocabulary.is_file() and merges.is_file()):
        raise FileNotFoundError(
            f"Got {folder} without a tokenizer; allowed: a folder with tokenizer.json, or "
            "vocab.json and merges.txt. Save one there with `tokenizer.save_pretrained(folder)`."
        )
    return _byte_level(BPE.from_file(str(vocabulary), str(merges)))


def _byte_level(model: BPE) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
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
