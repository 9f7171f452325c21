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


def rules(split, **arguments):
    return Paraphrase(TOKENIZER, split=split, held_out="rules", prompt_tokens=180, **arguments)


def test_no_rule_is_in_two_splits():
    found = []
    for split in SPLITS:
        task = rules(split)
        examples = [task.example(index) for index in range(task.num_examples)]
        found.append({example.columns["rule"] for example in examples})
    train, validation, test = found
    assert min(map(len, found)) >= 12
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_solved_examples_are_of_the_same_rule_and_of_other_words():
    task = rules("validation", shots=2)
    for index in range(task.num_examples):
        item = task.item(task.example(index))
        asked = item.prompt.removeprefix("Text: ").removesuffix("\nParaphrase:")
        assert item.solved_examples.count("\n\n") == 2
        assert asked not in item.solved_examples
        if item.columns["rule"] == "although":
            assert item.solved_examples.count("Paraphrase: although") == 2
            assert ", but " in asked


def test_a_part_of_a_split_shows_the_same_solved_examples():
    whole, part = rules("validation", shots=2), rules("validation[:25%]", shots=2)
    shown = {
        (item := whole.item(whole.example(i))).prompt: item.solved_examples for i in range(288)
    }
    assert part.num_examples == 72
    for index in range(part.num_examples):
        item = part.item(part.example(index))
        assert item.solved_examples == shown[item.prompt]


def test_several_right_paraphrases_are_all_targets():
    first = rules("train").example(0)
    assert first.targets == (
        "on Monday morning the boys in the street moved a carpet.",
        "on Monday morning, the boys in the street moved a carpet.",
    )


@pytest.mark.parametrize(
    "arguments",
    [{"language": "zh"}, {"dataset": "pairs.jsonl"}, {"columns": {"text": "a"}}],
)
def test_held_out_rules_are_those_of_the_embedded_english_pairs(arguments):
    with pytest.raises(ValueError, match=r"Got held_out=.rules. with .*; allowed: the embedded"):
        rules("train", **arguments)


def test_only_solved_examples_of_a_rule_show_it():
    assert rules("train", shots=1).shows_rules
    assert not rules("train").shows_rules
    assert not Paraphrase(TOKENIZER, shots=1, prompt_tokens=80).shows_rules
    with pytest.raises(ValueError, match="shots='2'"):
        rules("train", shots="2")
