import json

import pytest

from lm_envs.tokenizer import Tokenizer, files
from tests.tokenizer import helpers


def test_a_wordpiece_vocabulary_without_named_end_ends_at_sep(tmp_path):
    """As in uer/gpt2-chinese-cluecorpussmall, whose config.json has GPT-2's id 50256."""
    folder = helpers.word_piece(tmp_path)
    (folder / "config.json").write_text('{"eos_token_id": 50256}')
    tokenizer = Tokenizer.from_folder(folder)
    assert tokenizer.end_token == 4
    assert tokenizer.special_tokens.tolist() == [0, 2, 3, 5]  # [PAD], [UNK], [CLS], [MASK]


def test_the_end_token_of_special_tokens_map_is_used(tmp_path):
    folder = helpers.byte_level(tmp_path)
    (folder / "tokenizer_config.json").unlink()
    (folder / "special_tokens_map.json").write_text('{"eos_token": {"content": "<|reserved|>"}}')
    assert Tokenizer.from_folder(folder).end_token == 3


def test_add_bos_token_false_leaves_out_the_first_token(tmp_path):
    folder = helpers.sentence_piece(tmp_path)
    assert Tokenizer.from_folder(folder).first_tokens.tolist() == [1]
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"add_bos_token": False}))
    assert not len(Tokenizer.from_folder(folder).first_tokens)


@pytest.mark.parametrize(
    "template",
    [
        "{{ messages }}",
        [{"name": "tool_use", "template": "x"}, {"name": "default", "template": "y"}],
    ],
)
def test_the_chat_template_of_the_tokenizer_configuration_is_found(tmp_path, template):
    folder = helpers.byte_level(tmp_path)
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    assert files.load_chat_template(folder)[0] == (template if isinstance(template, str) else "y")
    (folder / "chat_template.jinja").write_text("own file")
    assert files.load_chat_template(folder)[0] == "own file"


def test_an_edit_of_a_small_file_within_a_tick_of_the_clock_is_seen(tmp_path):
    folder = helpers.byte_level(tmp_path)
    found = []
    for token in (1, 2, 3):
        (folder / "generation_config.json").write_text(f'{{"eos_token_id": {token}}}')
        found.append(Tokenizer.from_folder(folder).end_tokens[-1])
    assert found == [1, 2, 3]


def test_a_folder_with_a_sentencepiece_model_alone_names_the_conversion(tmp_path):
    (tmp_path / "tokenizer.model").touch()
    with pytest.raises(ValueError, match=r"writes tokenizer\.json for a SentencePiece"):
        files.load(tmp_path)
