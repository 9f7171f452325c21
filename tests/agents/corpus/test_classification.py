from agents.corpus.classification import MAX_WORDS, TEXTS_PER_TOPIC, TOPICS, rows


def test_rows_have_known_labels_and_bounded_topics():
    found = list(rows())
    assert {row["kind"] for row in found} == {"topic", "language", "sentiment"}
    topics = [row for row in found if row["kind"] == "topic"]
    assert {row["label"] for row in topics} == set(TOPICS.values())
    assert all(8 <= len(row["text"].split()) <= MAX_WORDS for row in topics)
    trained = [row["label"] for row in topics if row["split"] == "train"]
    assert max(map(trained.count, TOPICS.values())) <= TEXTS_PER_TOPIC
