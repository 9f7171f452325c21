from agents.corpus.translation import pairs, trained_pairs


def test_no_source_occurs_twice_in_a_language_and_no_target_repeats_it():
    found = [(row["source"], row["pair"]) for row in trained_pairs()]
    assert len(found) == len(set(found))
    assert all(row["source"] != row["target"] for row in pairs())


def test_rows_added_later_are_held_out():
    trained = {row["source"] for row in trained_pairs()}
    later = [row for row in pairs() if row["source"] not in trained]
    assert later
    assert {row["split"] for row in later} == {"validation", "test"}
