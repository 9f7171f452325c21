import json

import pytest

from agents.build_dataset import build


@pytest.mark.parametrize("name", ["passages", "messages"])
def test_same_sources_give_the_same_bytes_with_all_splits(tmp_path, name):
    first, second = build(name, tmp_path / "a"), build(name, tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()
    rows = [json.loads(line) for line in first.read_text().splitlines()]
    assert {row["split"] for row in rows} == {"train", "validation", "test"}


def test_unknown_name_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="'passages', 'messages'"):
        build("poems", tmp_path)
