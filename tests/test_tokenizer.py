import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.models import BPE

from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer, decode_prefix, text_of

TOKENIZER = Tokenizer.from_folder(loading.locate("embedded"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_decoding_inverts_encoding(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_an_incomplete_last_character_is_left_out():
    whole = "今天".encode()
    assert [text_of(whole[:size]) for size in range(7)] == ["", "", "", "今", "今", "今", "今天"]


@given(st.lists(st.sampled_from([*"今é".encode(), 0xFF, *b"a"]), max_size=9), st.integers(0, 9))
def test_bytes_decoded_in_two_parts_have_the_text_of_all(codes, cut):
    data = bytes(codes)
    first, incomplete = decode_prefix(data[:cut])
    second, rest = decode_prefix(incomplete + data[cut:])
    assert first + second == text_of(data)
    assert len(rest) < 4


def test_text_of_a_token_is_none_where_its_last_character_is_incomplete():
    texts = TOKENIZER.token_texts
    assert len(texts) == len(TOKENIZER.token_bytes)
    for text, data in zip(texts, TOKENIZER.token_bytes, strict=True):
        is_incomplete = text_of(data + b"\x80") != text_of(data) + "\ufffd"
        assert text == (None if is_incomplete else text_of(data))
    assert None in texts


def test_tables_of_tokens_grow_with_the_vocabulary():
    tokenizer = Tokenizer.from_folder(loading.locate("embedded"))
    size = len(tokenizer.token_texts)
    tokenizer.widen(size + 2)
    assert len(tokenizer.token_bytes) == size + 2
    assert tokenizer.token_texts[size:] == ["", ""]


def test_invalid_bytes_become_replacement_characters():
    assert text_of(b"a\xffb") == "a\ufffdb"


def test_end_of_text_inside_a_text_is_encoded_as_characters():
    tokens = TOKENIZER.encode("before<|endoftext|>after")
    assert TOKENIZER.end_token not in tokens
    assert TOKENIZER.decode(tokens) == "before<|endoftext|>after"


def test_the_end_token_has_no_text():
    assert TOKENIZER.decode(np.array([TOKENIZER.end_token])) == ""


def test_a_lone_surrogate_is_refused():
    with pytest.raises(ValueError, match=r"lone surrogate at character 2"):
        TOKENIZER.encode("ab\ud800")


def test_a_folder_without_vocabulary_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json, or vocab\.json and merges\.txt"):
        Tokenizer.from_folder(tmp_path)


def test_vocabulary_and_merges_give_the_same_ids(tmp_path):
    folder = loading.locate("embedded")
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    merges = "\n".join(" ".join(pair) for pair in model["merges"])
    (tmp_path / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    text = "The Congress of the United States, 今天天气不错"
    assert np.array_equal(Tokenizer.from_folder(tmp_path).encode(text), TOKENIZER.encode(text))


def test_a_malformed_tokenizer_file_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": {}')
    with pytest.raises(ValueError, match=r"unreadable tokenizer in .*save_pretrained"):
        Tokenizer.from_folder(tmp_path)


def test_added_tokens_decode_to_their_names(tmp_path):
    file = tmp_path / "tokenizer.json"
    file.write_bytes((loading.locate("embedded") / "tokenizer.json").read_bytes())
    backend = tokenizers.Tokenizer.from_file(str(file))
    backend.add_tokens(["<two words>"])
    backend.save(str(file))
    tokenizer = Tokenizer.from_folder(tmp_path)
    tokens = tokenizer.encode("a <two words> b")
    assert len(tokenizer) - 1 in tokens
    assert tokenizer.decode(tokens) == "a <two words> b"


def test_a_vocabulary_that_is_not_byte_level_is_refused():
    backend = tokenizers.Tokenizer(BPE({"a b": 0, "<|endoftext|>": 1}, []))
    with pytest.raises(ValueError, match="token 'a b' in a vocabulary; allowed: byte-level BPE"):
        Tokenizer(backend).decode(np.array([0]))


def test_a_vocabulary_without_end_token_is_refused():
    with pytest.raises(ValueError, match=r"vocabulary of 1 tokens without '<\|endoftext\|>'"):
        Tokenizer(tokenizers.Tokenizer(BPE({"a": 0}, [])))


def test_widened_ids_have_no_text():
    tokenizer = Tokenizer.from_folder(loading.locate("embedded"))
    size = len(tokenizer)
    tokenizer.widen(size + 2)
    assert tokenizer.decode(np.array([size, size + 1])) == ""
    assert len(tokenizer) == size
