"""Conversion of text to token ids and back, also for incomplete UTF-8.

Owns what encodes a prompt and what continues one, and the tokens that end a text. Knows nothing of
models or tensors.
"""

import codecs
import copy
import json
import sys
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import tokenizers

from lm_envs.lru import LRUCache
from lm_envs.tokenizer import files, pieces
from lm_envs.tokenizer.chat import ChatTemplate
from lm_envs.tokenizer.files import END_OF_TEXT

SHARED_TOKENIZERS = 8
"""Number of tokenizers that a process keeps: each holds caches of its own as long as it lives."""

CACHED_IDS = 2**23
"""Bytes of texts and their ids that a tokenizer keeps, for prompts and for what continues one.

Each task of a dataset measures all its texts, and an episode encodes its own again.
"""

ENTRY_BYTES = 300
"""Memory of one entry of such a cache beside the text and the ids."""


class Tokenizer:
    """Each id stands for a byte string; a text is the byte strings of its ids, one after the other.

    Byte-level BPE (GPT-2, Llama 3, Qwen) can encode every text. WordPiece (BERT) joins pieces by
    spaces and has a token for unknown characters; SentencePiece (Llama 2) puts a space before a
    text, which is not a part of it.

    Added tokens inside a text, such as `<|user|>`, are encoded as one id. The characters of an end
    token or of the padding token are encoded as ordinary characters, so that data cannot end an
    episode.

    Args:
        backend: Tokenizer of a kind that `pieces.token_bytes` knows; its padding and truncation are
            switched off.
        end_token: Id of the end-of-text token, or ids of several; default the id of `END_OF_TEXT`.
        pad_token: Id of the padding token; None if there is none, or if it is an end token.
        adds_first_tokens: Whether a prompt begins with the tokens that the backend puts before a
            text, such as `<s>`. A backend that also puts tokens behind it adds none.

    Attributes:
        end_token: Id of the end-of-text token; the first, if there are several.
        end_tokens: (E,) int64 ids of all tokens that end a text.
        first_tokens: (F,) int64 ids with which a prompt begins.
        special_tokens: (S,) int64 ids of special tokens that end no text, such as padding and
            unknown characters: a model never writes them.
        token_bytes: Bytes of each id; empty for end tokens and first tokens.

    Raises:
        ValueError: If the vocabulary is empty, has no end-of-text token, is of another kind or has
            ids without a token.
    """

    def __init__(
        self,
        backend: tokenizers.Tokenizer,
        end_token: int | Sequence[int] | None = None,
        pad_token: int | None = None,
        *,
        adds_first_tokens: bool = True,
    ) -> None:
        given = backend.token_to_id(END_OF_TEXT) if end_token is None else end_token
        ends = [given] if isinstance(given, int) else list(given or ())
        if backend.get_vocab_size() == 0 or not ends:
            raise ValueError(
                f"Got a vocabulary of {backend.get_vocab_size()} tokens without {END_OF_TEXT!r}; "
                "allowed: a tokenizer with an end-of-text token: name it by eos_token in "
                "tokenizer_config.json, or eos_token_id in generation_config.json."
            )
        if pad_token in ends:  # as in GPT-2's own checkpoints, where one token is both
            pad_token = None
        first = _first_tokens(backend) if adds_first_tokens else []
        special = _special_tokens(backend, pad_token)
        plain = [*ends, pad_token]
        self._given = backend
        self._chat: ChatTemplate | None = None
        self._around, self._ends_in_space = ("", ""), False
        backend, continuing = _backends(backend, plain)
        self._encode_full = self._encode_start = _Encoder(backend)
        self._encode_more = _Encoder(continuing)
        self._drops_first_space = pieces.drops_first_space(backend)
        self.end_token: int = ends[0]
        self.end_tokens = np.array(ends, np.int64)
        self.first_tokens = np.array(first, np.int64)
        self.token_bytes = pieces.token_bytes(backend, [*plain, *first])
        self._size = len(self.token_bytes)
        if pad_token == self._size - 1:  # padding is never written: the last id is left out
            self._size -= 1
        unwritten = sorted(each for each in special.difference(ends) if each < self._size)
        self.special_tokens = np.array(unwritten, np.int64)

    @classmethod
    def from_folder(cls, folder: Path) -> "Tokenizer":
        """Loads `tokenizer.json`, `vocab.json` with `merges.txt`, or `vocab.txt`, in this order.

        A text ends at the tokens that `generation_config.json` (or else `config.json`) names in
        `eos_token_id`, a number or a list, and at the `eos_token` of `tokenizer_config.json`, which
        comes first; if the files name none, at `<|endoftext|>`, `</s>` or `[SEP]`. Calls for the
        same files return the same object.

        Raises:
            ValueError: If the folder holds none of them, a file is malformed, or the tokenizer is
                of another kind.
        """
        return _load(folder, files.state(folder))

    def __len__(self) -> int:
        """Number of ids that can be written: all, but for a padding token that is the last."""
        return self._size

    def encode(self, text: str) -> np.ndarray:
        """Returns the ids of a text that continues another, (T,) int64.

        They never include an end-of-text token.

        Raises:
            ValueError: If the text contains a lone surrogate, which UTF-8 cannot encode.
        """
        return self._encode_more(text)

    def encode_completion(self, text: str) -> np.ndarray:
        """Returns the ids of a text that is written after a prompt, (T,) int64.

        A space separates the two, but for a chat template that ends in space or a line end.
        """
        return self.encode(text if self._ends_in_space else f" {text}")

    def encode_prompt(self, text: str) -> np.ndarray:
        """Returns the ids that a model reads for the text of a prompt, (P,) int64.

        They begin with `first_tokens`, or are those of the rendered chat template.
        """
        if self._chat is None:
            return self.prompt_from(self.encode_start(text))
        return self._encode_full(self._chat.render(text))

    @property
    def prompt_overhead(self) -> int:
        """Number of ids in a prompt that are not of its text: first tokens or chat template."""
        return len(self.encode_prompt("a")) - len(self.encode_start("a"))

    def encode_start(self, text: str) -> np.ndarray:
        """Returns the ids of a text that may be cut and passed to `prompt_from`, (T,) int64.

        They differ from those of `encode` where the tokenizer puts a space before a text.
        """
        return self._encode_start(text)

    def prompt_from(self, tokens: np.ndarray) -> np.ndarray:
        """Returns the ids that a model reads for a prompt whose text has these ids (T,)."""
        if self._chat is not None:
            return self.encode_prompt(self._decode_start(tokens))
        return np.concatenate([self.first_tokens, tokens]) if len(self.first_tokens) else tokens

    def decode(self, tokens: np.ndarray) -> str:
        """Returns what ids (T,) add to a text, without an incomplete character at the end."""
        return text_of(b"".join([self.token_bytes[token] for token in tokens]))

    def decode_prompt(self, tokens: np.ndarray) -> str:
        """Returns the text of a prompt's ids (P,), without first tokens and chat template."""
        text = self._decode_start(tokens)
        before, after = self._around
        return text.removeprefix(before).removesuffix(after)

    def with_chat_template(self, template: ChatTemplate) -> "Tokenizer":
        """Returns this tokenizer with prompts that are a user's message in a chat.

        The ids are those of `apply_chat_template` in transformers: names of special tokens in the
        rendered text are encoded as one id, end tokens too.
        """
        view = copy.copy(self)
        view._chat = template
        full = tokenizers.Tokenizer.from_str(self._given.to_str())
        full.no_padding()
        full.no_truncation()
        view._encode_full = _Encoder(full)
        view._ends_in_space = template.after[-1:].isspace()
        sides = map(view._encode_full, (template.before, template.after))
        before, after = map(self.decode, sides)
        view._around = before.removeprefix(" ") if self._drops_first_space else before, after
        return view

    def _decode_start(self, tokens: np.ndarray) -> str:
        text = self.decode(tokens)
        return text.removeprefix(" ") if self._drops_first_space else text

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
def _load(folder: Path, state: tuple[object, ...]) -> Tokenizer:
    try:
        found = files.load(folder)
        return Tokenizer(
            found.backend,
            list(found.ends) or None,
            found.pad,
            adds_first_tokens=found.adds_first_tokens,
        )
    except ValueError:
        raise
    except Exception as error:  # the Rust parser raises plain Exception
        raise ValueError(
            f"Got an unreadable tokenizer in {folder} ({error}); save it again with "
            "`tokenizer.save_pretrained(folder)`."
        ) from None


class _Encoder:
    """Ids of texts by one backend; those of recent texts are kept.

    A copy by pickle keeps none.
    """

    def __init__(self, backend: tokenizers.Tokenizer) -> None:
        self._backend = backend
        self._find = LRUCache(CACHED_IDS, _num_bytes).memoize(partial(_encode, backend))

    def __call__(self, text: str) -> np.ndarray:
        """Returns the ids of a text in a new array (T,) int64."""
        return self._find(str(text)).astype(np.int64)  # str: no text of a caller's class is kept

    def __reduce__(self) -> tuple[type["_Encoder"], tuple[tokenizers.Tokenizer]]:
        return _Encoder, (self._backend,)


def _num_bytes(text: str, ids: np.ndarray) -> int:
    """Memory of a text and its ids in a cache."""
    return ENTRY_BYTES + sys.getsizeof(text) + ids.nbytes


def _encode(backend: tokenizers.Tokenizer, text: str) -> np.ndarray:
    """Returns ids (T,) int32: half the memory of those that a task gets."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"Got a lone surrogate at character {error.start} of {text[:40]!r}; text must be "
            "valid Unicode. Read the file as UTF-8, or drop the character."
        ) from None
    return np.array(backend.encode(text, add_special_tokens=False).ids, dtype=np.int32)


def _first_tokens(backend: tokenizers.Tokenizer) -> list[int]:
    """Ids that a tokenizer puts before a text; none if it puts some behind it too, as BERT's."""
    plain = backend.encode("a", add_special_tokens=False).ids
    whole = backend.encode("a").ids
    before = len(whole) - len(plain)
    return whole[:before] if plain and whole[before:] == plain else []


def _special_tokens(backend: tokenizers.Tokenizer, pad_token: int | None) -> set[int]:
    added = backend.get_added_tokens_decoder()
    special = {token for token, each in added.items() if each.special}
    return special if pad_token is None else special | {pad_token}


def _backends(
    backend: tokenizers.Tokenizer, plain: Sequence[int | None]
) -> tuple[tokenizers.Tokenizer, tokenizers.Tokenizer]:
    """Returns what encodes the start of a text and what encodes a text that continues another."""
    starting = _with_plain_text(backend, plain)
    starting.no_padding()
    starting.no_truncation()
    starting.encode_special_tokens = True
    continuing = pieces.without_first_space(starting)
    continuing.encode_special_tokens = True
    return starting, continuing


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
