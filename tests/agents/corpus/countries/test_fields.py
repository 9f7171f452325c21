import re

from agents.build_assets import EXAMPLES
from agents.corpus.countries.fields import LONGEST_ITEM, rows
from agents.corpus.facts import facts
from agents.runs.files import write_jsonl

ROWS = list(rows())


def test_the_embedded_rows_are_those_that_the_code_makes(tmp_path):
    write_jsonl(tmp_path / "rows.jsonl", ROWS)
    assert (tmp_path / "rows.jsonl").read_bytes() == (
        EXAMPLES / "country_fields.jsonl"
    ).read_bytes()


def test_no_country_is_in_two_splits_and_none_of_which_the_model_has_read_facts_is_held_out():
    split = {row["subject"]: row["split"] for row in ROWS}
    assert len(split) == len(ROWS) > 200
    read = {row["subject"] for row in facts() if row["split"] == "train"}
    assert {split[name] for name in read & set(split)} == {"train"}
    assert {*split.values()} == {"train", "validation", "test"}


def test_answers_are_short_and_texts_have_no_other_brackets():
    for row in ROWS:
        for text in row["fields"]:
            answers = re.findall(r"\[(.*?)\]", text)
            assert all(0 < len(answer) <= LONGEST_ITEM for answer in answers)
            assert not set("[]()<>") & set(re.sub(r"\[(.*?)\]", "", text))


def test_the_country_with_the_longest_border_is_marked():
    found = 0
    for row in ROWS:
        for text in row["fields"]:
            marked = re.search(r"Border countries: .*\[(.*?)\] ([\d,.]+) km", text)
            if marked:
                sizes = [
                    float(size.replace(",", "")) for size in re.findall(r" ([\d,.]+) km", text)
                ]
                assert float(marked[2].replace(",", "")) == max(sizes)
                found += 1
    assert found > 100
