"""The files of a checkpoint's tokenizer: vocabulary, special tokens, chat template.

Owns which files are read, in which order, and the tokens that end a text. Executes nothing.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, WordPiece

END_OF_TEXT = "<|endoftext|>"

_FALLBACK_ENDS = (END_OF_TEXT, "</s>", "[SEP]")
"""Tokens that end a text where no file names one: of GPT-2, Llama 2 and BERT."""

_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")
_BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

_LARGE = ("tokenizer.json", "vocab.json", "merges.txt", "vocab.txt")
_SMALL = (
    *("added_tokens.json", "special_tokens_map.json", "tokenizer_config.json"),
    *("generation_config.json", "config.json"),
)


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Content of a folder's tokenizer files.

    Attributes:
        backend: The tokenizer.
        ends: Ids of the tokens that end a text; empty if no file names one.
        pad: Id of the padding token; None if there is none.
        adds_first_tokens: Whether a text begins with the tokens that `backend` puts before it.
    """

    backend: tokenizers.Tokenizer
    ends: tuple[int, ...]
    pad: int | None
    adds_first_tokens: bool


def state(folder: Path) -> tuple[object, ...]:
    """State of the files: it differs if one of them changed.

    Small files are compared by their content, because an edit within a tick of the file system's
    clock can keep the time and the size.
    """
    large = [(folder / name) for name in _LARGE]
    stats = [path.stat() if path.is_file() else None for path in large]
    small = [(folder / name) for name in _SMALL]
    return (
        *(each and (each.st_mtime_ns, each.st_size) for each in stats),
        *(path.read_bytes() if path.is_file() else None for path in small),
    )


def load(folder: Path) -> TokenizerFiles:
    """Loads the tokenizer of a folder.

    Raises:
        ValueError: If the folder holds none, or a file is malformed.
    """
    names = _token_names(folder)
    model = _read_json(folder / "config.json")
    generation = _read_json(folder / "generation_config.json")
    backend = _backend(folder, names)
    source = generation if generation.get("eos_token_id") is not None else model
    ends = [_id_of(backend, names.get("eos_token")), *_ids(source.get("eos_token_id"))]
    # Ids of another vocabulary: GPT2Config's default is 50256 for a vocabulary of any size.
    known = [each for each in ends if each is not None and backend.id_to_token(each)]
    if not known:
        found = map(backend.token_to_id, _FALLBACK_ENDS)
        known = [each for each in found if each is not None][:1]
    pads = [_id_of(backend, names.get("pad_token")), *_ids(generation.get("pad_token_id"))]
    return TokenizerFiles(
        backend,
        tuple(dict.fromkeys(known)),
        next((each for each in pads if each is not None), None),
        names.get("add_bos_token") is not False,
    )


def load_chat_template(folder: Path) -> tuple[str | None, dict[str, str]]:
    """Jinja source of a chat template, and the texts of special tokens by name.

    The source is `chat_template.jinja`, or `chat_template` of `tokenizer_config.json`: the only
    one, or the one that is named default; None if there is none.

    Raises:
        ValueError: If a file is malformed.
    """
    values = _token_names(folder)
    texts = {key: text for key in _NAMES if (text := name_of(values.get(key))) is not None}
    path = folder / "chat_template.jinja"
    if path.is_file():
        return path.read_text(encoding="utf-8"), texts
    found = values.get("chat_template")
    if isinstance(found, list):
        named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None, texts


def _token_names(folder: Path) -> dict[str, Any]:
    names = _read_json(folder / "special_tokens_map.json")
    return names | _read_json(folder / "tokenizer_config.json")


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


def name_of(value: Any) -> str | None:  # noqa: ANN401 - from JSON
    """Text of a token that is named by its text, or by {"content": text}."""
    text = value.get("content") if isinstance(value, dict) else value
    return text if isinstance(text, str) else None


def _id_of(backend: tokenizers.Tokenizer, value: Any) -> int | None:  # noqa: ANN401 - from JSON
    text = name_of(value)
    return None if text is None else backend.token_to_id(text)


def _ids(value: Any) -> list[int]:  # noqa: ANN401 - a value of a JSON file
    """Ids of `eos_token_id`: a number, a list or nothing."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if type(each) is int and each >= 0]


def _backend(folder: Path, names: Mapping[str, Any]) -> tokenizers.Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _with_added_tokens(_byte_level(folder), folder)
    if (folder / "vocab.txt").is_file():
        return _with_added_tokens(_word_piece(folder / "vocab.txt", names), folder)
    raise ValueError(
        f"Got {folder} without a tokenizer; allowed: a folder with tokenizer.json, or vocab.json "
        "and merges.txt, or vocab.txt. Save one there with `tokenizer.save_pretrained(folder)`"
        + (
            ", which writes tokenizer.json for a SentencePiece tokenizer.model."
            if (folder / "tokenizer.model").is_file()
            else "."
        )
    )


def _byte_level(folder: Path) -> tokenizers.Tokenizer:
    """GPT-2's own vocabulary files."""
    model = BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    backend = tokenizers.Tokenizer(model)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if backend.token_to_id(END_OF_TEXT) is not None:
        backend.add_special_tokens([END_OF_TEXT])
    return backend


def _word_piece(path: Path, names: Mapping[str, Any]) -> tokenizers.Tokenizer:
    """BERT's vocabulary file, as BertTokenizerFast of transformers reads it."""
    model = WordPiece.from_file(str(path), unk_token=name_of(names.get("unk_token")) or "[UNK]")
    backend = tokenizers.Tokenizer(model)
    backend.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=names.get("tokenize_chinese_chars", True),
        strip_accents=names.get("strip_accents"),
        lowercase=names.get("do_lower_case", True),
    )
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix="##")
    special = [*_BERT_SPECIAL, *(name_of(names.get(key)) for key in _NAMES)]
    known = {each for each in special if each and backend.token_to_id(each) is not None}
    backend.add_special_tokens(sorted(known))
    return backend


def _with_added_tokens(backend: tokenizers.Tokenizer, folder: Path) -> tokenizers.Tokenizer:
    added = _read_json(folder / "added_tokens.json")
    backend.add_tokens(sorted(added, key=lambda name: added[name]))
    for name, token in added.items():
        if backend.token_to_id(name) != token:
            raise ValueError(
                f"Got the added token {name!r} with id {token!r} in {folder}; allowed: "
                f"{backend.token_to_id(name)}, the next id after the vocabulary."
            )
    return backend
