import json

import numpy as np
import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.models import BPE

from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer, text_of

TOKENIZER = Tokenizer.from_folder(loading.locate("embedded"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back(text):
    assert TOKENIZER.decode(TOKENIZER.encode(text)) == text


def test_an_unfinished_character_is_held_back():
    whole = "今天".encode()
    assert [text_of(whole[:size]) for size in range(7)] == ["", "", "", "今", "今", "今", "今天"]


def test_invalid_bytes_become_replacement_characters():
    assert text_of(b"a\xffb") == "a\ufffdb"


def test_the_end_of_text_inside_a_text_stays_text():
    tokens = TOKENIZER.encode("before<|endoftext|>after")
    assert TOKENIZER.end_token not in tokens
    assert TOKENIZER.decode(tokens) == "before<|endoftext|>after"


def test_the_end_token_writes_nothing():
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


def test_a_broken_tokenizer_file_is_refused(tmp_path):
    (tmp_path / "tokenizer.json").write_text('{"model": {}')
    with pytest.raises(ValueError, match=r"unreadable tokenizer in .*save_pretrained"):
        Tokenizer.from_folder(tmp_path)


def test_added_tokens_are_written_as_they_are(tmp_path):
    file = tmp_path / "tokenizer.json"
    file.write_bytes((loading.locate("embedded") / "tokenizer.json").read_bytes())
    backend = tokenizers.Tokenizer.from_file(str(file))
    backend.add_tokens(["<two words>"])
    backend.save(str(file))
    tokenizer = Tokenizer.from_folder(tmp_path)
    tokens = tokenizer.encode("a <two words> b")
    assert len(tokenizer) - 1 in tokens
    assert tokenizer.decode(tokens) == "a <two words> b"


def test_a_vocabulary_of_other_than_bytes_is_refused():
    backend = tokenizers.Tokenizer(BPE({"a b": 0, "<|endoftext|>": 1}, []))
    with pytest.raises(ValueError, match="word 'a b' in a vocabulary; allowed: byte-level BPE"):
        Tokenizer(backend).decode(np.array([0]))
