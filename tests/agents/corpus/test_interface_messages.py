from agents.corpus.interface_messages import WORDS, messages


def test_messages_are_translated_prose_without_placeholders():
    rows = list(messages())
    assert len(rows) > 1000
    assert all(len(row["source"].split()) in WORDS for row in rows)
    assert not [row for row in rows if set("%{}<>`_") & set(row["source"] + row["target"])]
    assert not [row for row in rows if row["source"] == row["target"]]


def test_messages_that_differ_in_case_or_punctuation_are_one():
    letters = ["".join(filter(str.isalnum, row["source"].casefold())) for row in messages()]
    assert len(letters) == len(set(letters))
