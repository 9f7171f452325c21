import pytest

from agents.corpus.documents import PARTS, documents


@pytest.mark.parametrize("part", PARTS)
def test_every_part_has_documents_in_every_split_and_none_in_two(part):
    splits = {split: documents(part, split) for split in ("train", "validation", "test")}
    assert all(splits.values())
    assert not set(splits["train"]) & set(splits["validation"] + splits["test"])
