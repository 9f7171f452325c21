from collections import Counter, defaultdict

from agents.build_assets import EXAMPLES
from agents.corpus.families import FAMILIES_EN
from agents.corpus.paraphrase_rules import RULES, SHOWN, TEXTS, rows
from agents.runs.files import write_jsonl

ROWS = list(rows())


def test_the_embedded_rows_are_those_that_the_code_makes(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    assert (tmp_path / "rows.jsonl").read_bytes() == (
        EXAMPLES / "paraphrase_rules.jsonl"
    ).read_bytes()


def test_no_rule_is_in_two_splits_and_no_split_has_fewer_than_twelve():
    splits = defaultdict(set)
    for row in ROWS:
        splits[row["rule"]].add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert min(Counter(split for (split,) in splits.values()).values()) >= 12


def test_no_pattern_is_used_twice_and_none_is_one_that_the_embedded_model_has_read():
    every = [rule for rules in RULES.values() for rule in rules]
    pairs = {(rule.source, rule.targets[0]) for rule in every}
    assert len(pairs) == len(every)
    assert len({rule.name for rule in every}) == len(every)
    read = {
        pattern.format(*"XYZ") for source, target, *_ in FAMILIES_EN for pattern in (source, target)
    }
    assert not read & {pattern for pair in pairs for pattern in pair}


def test_each_rule_has_its_texts_and_its_solved_examples():
    counts = Counter((row["split"], row["rule"], "shown" in row) for row in ROWS)
    for split, rules in RULES.items():
        for rule in rules:
            assert counts[split, rule.name, True] == SHOWN
            assert counts[split, rule.name, False] == TEXTS[split]


def test_words_agree_with_what_they_belong_to():
    targets = {row["text"]: row["target"] for row in ROWS}
    assert targets["her father sold the roads."] == "the roads were sold by her father."
    assert targets["Mr Brown has the boat."] == "the boat belongs to Mr Brown."


def test_several_right_targets_are_kept():
    (found,) = [
        row["target"] for row in ROWS if row["text"] == "Maria protected the school in the spring."
    ]
    assert found == [
        "in the spring Maria protected the school.",
        "in the spring, Maria protected the school.",
    ]


def test_no_text_stands_in_two_rows():
    assert len({row["text"] for row in ROWS}) == len(ROWS)
