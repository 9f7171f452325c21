import json
import pickle

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
    with pytest.raises(ValueError, match=r"tokenizer\.json, or vocab\.json and merges\.txt"):
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


def folder_with(tmp_path, tokens=(), **files):
    """The embedded tokenizer with special tokens added, and JSON files beside it."""
    path = tmp_path / "tokenizer.json"
    path.write_bytes((loading.locate("embedded") / "tokenizer.json").read_bytes())
    backend = tokenizers.Tokenizer.from_file(str(path))
    backend.add_special_tokens(list(tokens))
    backend.save(str(path))
    for name, content in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    return tmp_path


def test_special_tokens_are_not_cut_into_pieces(tmp_path):
    """Regression: all special tokens were encoded as characters."""
    tokenizer = Tokenizer.from_folder(folder_with(tmp_path, ["<|user|>", "<|end|>"]))
    tokens = tokenizer.encode("<|user|> hello<|endoftext|>")
    assert tokens[0] == len(TOKENIZER)
    assert tokenizer.decode(tokens) == "<|user|> hello<|endoftext|>"
    assert tokenizer.end_token not in tokens


@pytest.mark.parametrize(
    ("files", "ends"),
    [
        ({"generation_config": {"eos_token_id": 6144}}, [6144]),
        ({"generation_config": {"eos_token_id": [0, 6144]}}, [0, 6144]),
        ({"config": {"eos_token_id": 6144}}, [6144]),
        ({"config": {"eos_token_id": 50256}}, [0]),
        ({"config": {"eos_token_id": 0}, "generation_config": {"eos_token_id": 6144}}, [6144]),
        ({"tokenizer_config": {"eos_token": "<|end|>"}}, [6144]),
        ({"tokenizer_config": {"eos_token": {"content": "<|end|>"}}}, [6144]),
        (
            {
                "tokenizer_config": {"eos_token": "<|end|>"},
                "generation_config": {"eos_token_id": [0, 6144]},
            },
            [6144, 0],
        ),
        ({}, [0]),
    ],
)
def test_a_text_ends_as_tokenizer_and_generation_config_say(tmp_path, files, ends):
    """Regression: only <|endoftext|> ended a text, whatever the model's own end was."""
    tokenizer = Tokenizer.from_folder(folder_with(tmp_path, ["<|end|>"], **files))
    assert tokenizer.end_tokens.tolist() == ends
    assert tokenizer.end_token == ends[0]
    assert tokenizer.decode(tokenizer.end_tokens) == ""
    assert not np.isin(tokenizer.encode("a<|end|>"), ends).any()


def test_a_padding_token_behind_the_vocabulary_cannot_be_written(tmp_path):
    settings = {"pad_token": "[PAD]"}
    tokenizer = Tokenizer.from_folder(folder_with(tmp_path, ["[PAD]"], tokenizer_config=settings))
    assert len(tokenizer) == len(TOKENIZER)
    assert tokenizer.decode(tokenizer.encode("[PAD]")) == "[PAD]"


def test_added_tokens_of_vocabulary_and_merges_are_read(tmp_path):
    model = json.loads((loading.locate("embedded") / "tokenizer.json").read_text())["model"]
    (tmp_path / "vocab.json").write_text(json.dumps(model["vocab"]))
    (tmp_path / "merges.txt").write_text("\n".join(" ".join(pair) for pair in model["merges"]))
    added = tmp_path / "added_tokens.json"
    added.write_text('{"<|b|>": 6145, "<|a|>": 6144}')
    assert Tokenizer.from_folder(tmp_path).encode("<|b|><|a|>").tolist() == [6145, 6144]
    added.write_text('{"<|a|>": 6200}')
    with pytest.raises(ValueError, match=r"'<\|a\|>' with id 6200 in .*; allowed: 6144"):
        Tokenizer.from_folder(tmp_path)


def test_ids_that_are_changed_by_a_caller_are_right_in_the_next_call():
    for encode in (TOKENIZER.encode, TOKENIZER.encode_prompt, TOKENIZER.encode_start):
        ids = encode("the cat")
        kept = ids.copy()
        ids[:] = 0
        np.testing.assert_array_equal(encode("the cat"), kept)


def test_a_pickled_tokenizer_gives_the_same_ids():
    TOKENIZER.encode("the cat")
    again = pickle.loads(pickle.dumps(TOKENIZER))
    np.testing.assert_array_equal(again.encode("the cat"), TOKENIZER.encode("the cat"))


def test_the_same_files_are_loaded_once(tmp_path):
    """Regression: every environment kept a backend of its own, with a cache that stays."""
    folder = folder_with(tmp_path)
    first = Tokenizer.from_folder(folder)
    assert Tokenizer.from_folder(folder) is first
    (folder / "generation_config.json").write_text('{"eos_token_id": [5]}')
    assert Tokenizer.from_folder(folder).end_tokens.tolist() == [5]
