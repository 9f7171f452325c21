import pytest

from lm_envs.tasks.paraphrase import Paraphrase
from lm_envs.tasks.splits import SPLITS
from tests.tasks.helpers import embedded_tokenizer, option_texts, write_rows

TOKENIZER = embedded_tokenizer()


def test_columns_select_the_fields_of_a_file(tmp_path):
    path = write_rows(tmp_path, [{"a": "今天天气不错", "b": "今天天气很好", "split": "train"}])
    task = Paraphrase(TOKENIZER, dataset=path, columns={"text": "a", "target": "b"})
    assert TOKENIZER.decode(task.example(0).prompt) == "Text: 今天天气不错\nParaphrase:"
    assert task.example(0).targets == ("今天天气很好",)


def test_two_given_chinese_pairs_are_embedded():
    pairs = set()
    for split in SPLITS:
        task = Paraphrase(TOKENIZER, split=split, language="zh")
        for index in range(task.num_examples):
            example = task.example(index)
            pairs.add((TOKENIZER.decode(example.prompt).split("\n")[0], example.targets[0]))
    assert ("Text: 今天天气不错", "今天天气很好") in pairs
    assert ("Text: 昨晚的球赛很精彩", "昨晚的足球比赛很精彩") in pairs


def test_options_are_in_the_language_of_the_target():
    task = Paraphrase(TOKENIZER)
    for index in range(task.num_examples):
        is_chinese = {text[0] > "\u2e80" for text in option_texts(task, index)}
        assert len(is_chinese) == 1


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="language='fr'; allowed: None, 'en', 'zh'"):
        Paraphrase(TOKENIZER, language="fr")
