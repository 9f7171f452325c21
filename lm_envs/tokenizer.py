"""Text to token ids and back, safe at partial UTF-8.

Owns the byte-level BPE vocabulary. Knows nothing of models or tensors; importing it loads no torch.
"""

import codecs
from functools import cached_property
from pathlib import Path

import numpy as np
import tokenizers
from tokenizers.models import BPE

END_OF_TEXT = "<|endoftext|>"


class Tokenizer:
    """Byte-level BPE as GPT-2 uses it: every id is a byte string, every text has ids.

    The end-of-text token is only ever an id: the characters `<|endoftext|>` inside a text are
    encoded as ordinary characters, so data cannot end an episode.

    Raises:
        ValueError: If the vocabulary is empty or has no end-of-text token.
    """

    def __init__(self, backend: tokenizers.Tokenizer, end_token: int | None = None) -> None:
        end = backend.token_to_id(END_OF_TEXT) if end_token is None else end_token
        if backend.get_vocab_size() == 0 or end is None:
            raise ValueError(
                f"Got a vocabulary of {backend.get_vocab_size()} words without {END_OF_TEXT!r}; "
                "a byte-level GPT-2 tokenizer is needed."
            )
        backend.no_padding()
        backend.no_truncation()
        backend.encode_special_tokens = True
        self._backend = backend
        self.end_token: int = end
        self._num_ids = backend.get_vocab_size()

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """Reads `tokenizer.json`, or else `vocab.json` and `merges.txt`.

        Raises:
            FileNotFoundError: If the folder holds neither.
            ValueError: If they cannot be read, or are no byte-level BPE.
        """
        try:
            return cls(_backend(folder))
        except (FileNotFoundError, ValueError):
            raise
        except Exception as error:  # of no type: the parser is Rust
            raise ValueError(
                f"Got an unreadable tokenizer in {folder} ({error}); save it again with "
                "`tokenizer.save_pretrained(folder)`."
            ) from None

    def __len__(self) -> int:
        return self._backend.get_vocab_size()

    def encode(self, text: str) -> np.ndarray:
        """Ids of a text, (T,) int64; never the end-of-text token.

        Raises:
            ValueError: If the text holds lone surrogates, which no UTF-8 can write.
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
        """Text of some ids; an unfinished character at the end is held back."""
        return text_of(b"".join([self.token_bytes[token] for token in tokens]))

    def widen(self, num_ids: int) -> None:
        """Lets ids up to `num_ids` stand for nothing, for models with more words than names."""
        self._num_ids = max(num_ids, len(self))
        self.__dict__.pop("token_bytes", None)

    @cached_property
    def token_bytes(self) -> list[bytes]:
        """The bytes each id writes; the end-of-text token and ids without a name none."""
        unicode_to_byte = {character: byte for byte, character in _byte_characters().items()}
        table = [b""] * self._num_ids
        added = self._backend.get_added_tokens_decoder()
        for word, token in self._backend.get_vocab().items():
            if token in added:  # these stand in the vocabulary as they are written
                table[token] = word.encode()
            elif unicode_to_byte.keys() >= set(word):
                table[token] = bytes(unicode_to_byte[character] for character in word)
            else:
                raise ValueError(
                    f"Got the word {word!r} in a vocabulary; allowed: byte-level BPE, as GPT-2's."
                )
        table[self.end_token] = b""
        return table


def text_of(written: bytes) -> str:
    """Text of a byte string: invalid bytes become U+FFFD, an unfinished last character waits."""
    return codecs.utf_8_decode(written, "replace", False)[0]


def _backend(folder: Path) -> tokenizers.Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    if not (vocabulary.is_file() and merges.is_file()):
        raise FileNotFoundError(
            f"Got {folder} without a tokenizer; it must hold tokenizer.json, or vocab.json "
            "and merges.txt. Save one there with `tokenizer.save_pretrained(folder)`."
        )
    return _byte_level(BPE.from_file(str(vocabulary), str(merges)))


def _byte_level(model: BPE) -> tokenizers.Tokenizer:
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = tokenizers.decoders.ByteLevel()
    backend.add_special_tokens([END_OF_TEXT])
    return backend


def _byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte in GPT-2's vocabulary files.

    Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py
    """
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {byte: chr(byte) for byte in printable}
    for byte in range(256):
        if byte not in table:
            table[byte] = chr(256 + len(table) - len(printable))
    return table
