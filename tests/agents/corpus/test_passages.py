from agents.corpus.passages import LARGEST_PASSAGE, RELATIONS, questions


def test_answers_occur_in_their_passages_and_countries_are_in_one_split():
    rows = list(questions())
    assert all(row["answer"] in row["context"] for row in rows)
    split = {row["subject"]: row["split"] for row in rows}
    assert all(split[row["subject"]] == row["split"] for row in rows)
    assert {row["relation"] for row in rows} == set(RELATIONS)
    assert len(rows) > 200


def test_passages_are_short_and_answers_stand_anywhere():
    rows = list(questions())
    long = [row for row in rows if len(row["context"].split()) > LARGEST_PASSAGE]
    assert len(long) < 0.02 * len(rows)  # a single sentence may be longer
    places = [row["context"].index(row["answer"]) / len(row["context"]) for row in rows]
    assert sum(place < 0.25 for place in places) < 0.5 * len(rows)
    assert sum(place > 0.75 for place in places) < 0.5 * len(rows)
