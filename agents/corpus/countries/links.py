"""Facts that lead from one country to another: neighbors and partners in trade.

Owns which relations there are. The countries are those of `facts` that are in all splits.
"""

import re
from collections.abc import Iterator

from agents.corpus.facts import COUNTRIES, country_name, fact_row, factbook_text
from agents.corpus.sources import countries, held_out_split

FIELDS = {
    "main neighbor": (
        ("Geography", "Land boundaries", "border countries"),
        "Which country is the main neighbor of {name}?",
        "The longest border of {name} is that with {answer}.",
    ),
    "main customer": (
        ("Economy", "Exports - partners"),
        "Which country is the main customer of {name}?",
        "Most exports of {name} go to {answer}.",
    ),
    "main supplier": (
        ("Economy", "Imports - partners"),
        "Which country is the main supplier of {name}?",
        "Most imports of {name} come from {answer}.",
    ),
}
"""Relations: the longest land border, the largest share of exports, and that of imports."""

OTHER_NAMES = {"US": "United States", "USA": "United States", "UK": "United Kingdom"}
"""Names of countries in these lists that differ from those in their own entries."""

_ITEM = re.compile(r"([A-Z][A-Za-z .'()-]*?)\s+(\d[\d,.]*)\s*(?:km|%)")


def links() -> Iterator[dict[str, str]]:
    """Yields one row per link: question, answer, context, subject, relation, split.

    The embedded model has not read these sentences, so that no row is in the split "train".
    """
    entries = dict(countries())
    codes = sorted(set(entries).intersection(COUNTRIES))
    names = {country_name(code, entries[code]) for code in codes}
    for code in codes:
        name = country_name(code, entries[code])
        for relation, (path, question, statement) in FIELDS.items():
            answer = largest(factbook_text(entries[code], path))
            if answer in names and answer != name:
                row = fact_row(name, relation, answer, question, statement)
                yield {**row, "split": held_out_split(f"{name} {relation}")}


def largest(text: str) -> str:
    """Returns the country with the largest number in a list; "" if there is none.

    Args:
        text: Such as "Greece 212 km; Kosovo 112 km" or "Italy 41%, Greece 10%"; the first of equal
            ones counts.
    """
    items = [(name, float(size.replace(",", ""))) for name, size in _ITEM.findall(text)]
    name = max(items, key=lambda item: item[1], default=("", 0.0))[0]
    return OTHER_NAMES.get(name, name)
