import pytest

from agents.corpus.sources import clean, held_out_split, package_folder


def test_cleaning_removes_markup_and_special_characters():
    assert clean("<p>A&nbsp;“b”<br/>c — d</p>  e") == 'A "b" c - d e'


def test_a_missing_package_is_named_with_the_remedy():
    with pytest.raises(ModuleNotFoundError, match=r"'no_such_package'.*lm_envs\[corpus\]"):
        package_folder("no_such_package")


def test_held_out_facts_are_divided_between_validation_and_test():
    splits = [held_out_split(f"fact {number}") for number in range(400)]
    assert set(splits) == {"validation", "test"}
    assert 150 < splits.count("test") < 250
