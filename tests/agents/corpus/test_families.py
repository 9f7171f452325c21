import pytest

from agents.corpus.families import FAMILIES_EN, FAMILIES_ZH


@pytest.mark.parametrize("families", [FAMILIES_EN, FAMILIES_ZH])
def test_both_patterns_take_every_slot_of_the_word_lists(families):
    for source, target, words, further in families:
        assert len(further) in (0, len(words))
        filling = [f"<{slot}>" for slot in range(max(len(words), len(further)))]
        for pattern in (source, target):
            assert all(word in pattern.format(*filling) for word in filling)
