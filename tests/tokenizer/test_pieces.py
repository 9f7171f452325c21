import numpy as np
import pytest
import tokenizers
from tokenizers import decoders, models
from transformers import AutoTokenizer

from lm_envs.tokenizer import Tokenizer, pieces
from tests.tokenizer import helpers

TEXTS = (*helpers.TEXTS, "sing song.", " the cats", "Unseen: ß, 漢! \n two  spaces", "")


@pytest.fixture(params=helpers.KINDS, ids=lambda kind: kind.__name__)
def pair(request, tmp_path):
    """Our tokenizer, and that of transformers for the same folder."""
    folder = request.param(tmp_path)
    return Tokenizer.from_folder(folder), AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("text", TEXTS)
def test_a_prompt_is_encoded_as_transformers_encodes_it(pair, text):
    own, theirs = pair
    first = own.first_tokens.tolist()
    expected = theirs(text, add_special_tokens=bool(first))["input_ids"]
    assert own.encode_prompt(text).tolist() == expected


def test_what_tokens_add_to_a_prompt_is_what_transformers_adds(pair):
    own, theirs = pair
    rng = np.random.default_rng(0)
    special = {*theirs.all_special_ids, *own.special_tokens.tolist()}
    ids = [token for token in range(len(own)) if token not in special]
    settings = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
    prompt = own.encode_prompt("the cats")[len(own.first_tokens) :]
    before = theirs.decode(prompt, **settings)
    assert own.decode_prompt(prompt) == before
    # Whole texts: in random ones, bytes of unfinished characters are shown in several ways.
    texts = [own.encode(f" {text}") for text in TEXTS]
    words = [[token] for token in ids if own.token_texts[token] and token not in own.end_tokens]
    words = [row for row in words if "\ufffd" not in own.decode(row)]
    rows = [*texts, *(np.concatenate([words[i] for i in rng.integers(len(words), size=8)]),)]
    for row in rows:
        whole = theirs.decode(np.concatenate([prompt, row]), **settings)
        assert before + own.decode(row) == whole


def test_a_continuation_is_joined_without_a_space_of_its_own(pair):
    own, _ = pair
    for text in (" singing", " song."):
        assert own.decode(own.encode(text)) == text


def test_special_tokens_are_never_text_and_end_tokens_are_none_of_them(pair):
    own, theirs = pair
    assert not np.isin(own.end_tokens, own.special_tokens).any()
    assert set(own.special_tokens) | set(own.end_tokens) >= set(theirs.all_special_ids)
    assert own.decode(own.end_tokens) == own.decode(own.first_tokens) == ""


def test_an_unknown_decoder_is_refused_by_name():
    backend = tokenizers.Tokenizer(models.BPE({"a</w>": 0, "<|endoftext|>": 1}, []))
    backend.decoder = decoders.BPEDecoder()
    with pytest.raises(ValueError, match="the decoder BPEDecoder; allowed: byte-level BPE"):
        pieces.token_bytes(backend, [])
