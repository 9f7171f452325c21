import pytest

from agents.config.loading import UserError
from agents.rating.texts import TextSource, make_writers, pairs, read_prompts


def test_two_samples_of_a_model_follow_a_callers_prompts(tmp_path):
    file = tmp_path / "prompts.txt"
    file.write_text("The weather in May\n\nMy fellow citizens\r\n")
    found = pairs(make_writers(TextSource("embedded"), str(file), 4), 4)
    assert len(found) == 4
    assert {first.prompt for first, _ in found} == {"The weather in May", "My fellow citizens"}
    for first, second in found:
        assert first.prompt == second.prompt
        assert first.text != second.text
        assert (first.source, second.source) == ("model", "model")
        assert first.tokens
        assert first.prompt_tokens


def test_lines_to_choose_from_can_be_rated_with_the_replies_to_them():
    ((first, _), *_) = pairs(make_writers(TextSource("embedded"), "lm_envs/Dialogue-v0", 2), 2)
    assert "[" in first.shown


def test_a_text_that_completes_a_word_is_shown_with_it():
    found = [
        text for pair in pairs(make_writers(TextSource("embedded"), None, 24), 24) for text in pair
    ]
    joined = [text for text in found if text.shown]
    assert 0 < len(joined) < len(found)
    for text in joined:
        assert text.shown.startswith("…" + text.prompt.split()[-1])
        assert text.shown.endswith(text.text)


def test_prompts_are_lines_or_fields(tmp_path):
    lines, fields = tmp_path / "p.txt", tmp_path / "p.jsonl"
    lines.write_text("a \n\na \nb")
    fields.write_text('{"prompt": "a\\u2028b", "answer": 1}\n')
    assert read_prompts(lines) == ("a ", "b")
    assert read_prompts(fields) == ("a\u2028b",)


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xff\xfe", b'{"text": "a"}', b"[1]", b"{"])
def test_a_file_without_prompts_is_refused(tmp_path, content):
    path = tmp_path / "p.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"Got .*p\.jsonl.*; allowed"):
        read_prompts(path)


def test_prompts_that_are_neither_file_nor_id_are_refused():
    with pytest.raises(UserError, match=r"Got --prompts 'missing.txt', neither a file nor an id"):
        make_writers(TextSource("embedded"), "missing.txt", 3)
