from lm_envs_docs.docstrings import as_code, entries, split_sections, to_restructured_text

DOCSTRING = """Writes a text.

Args:
    width: Number of columns, in characters;
        80 by default.
    color: Whether it has colors.

## Rewards
The sum of [scores](https://example.org/scores).

## Episode End
At the end.

Example:
    >>> value = 1 + (
    ...     1
    ... )
    >>> value
    2
"""


def test_sections_are_found_by_their_headings():
    start, sections = split_sections(DOCSTRING)
    assert start.startswith("Writes a text.")
    assert sections["Episode End"] == "At the end."
    assert list(sections) == ["Rewards", "Episode End", "Example"]


def test_example_becomes_code_without_prompts_and_output():
    _, sections = split_sections(DOCSTRING)
    assert as_code(sections["Example"]) == "value = 1 + (\n    1\n)\nvalue"


def test_entries_are_joined_to_one_line():
    expected = "Number of columns, in characters; 80 by default."
    assert entries(DOCSTRING, "Args") == {"width": expected, "color": "Whether it has colors."}
    assert entries(DOCSTRING, "Raises") == {}


def test_headings_and_links_become_restructured_text():
    text = "\n".join(to_restructured_text(DOCSTRING.splitlines()))
    assert ".. rubric:: Rewards" in text
    assert "`scores <https://example.org/scores>`__" in text
    assert "##" not in text
