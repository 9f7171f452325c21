from agents.corpus.paraphrase import pairs


def test_pairs_differ_and_begin_with_a_capital():
    found = list(pairs())
    assert {row["language"] for row in found} == {"en", "zh"}
    assert all(row["text"] != row["target"] for row in found)
    english = [row[name] for row in found if row["language"] == "en" for name in ("text", "target")]
    assert all(text[0] == text[0].upper() for text in english)


def test_all_splits_have_pairs():
    assert {row["split"] for row in pairs()} == {"train", "validation", "test"}
