from agents.corpus.countries.links import FIELDS, largest, links


def test_the_largest_number_of_a_list_decides():
    assert largest("Greece 212 km; Kosovo 1,112 km; North Macedonia 181 km") == "Kosovo"
    assert largest("Italy 41%, Greece 41%, USA 4% (2023)") == "Italy"
    assert largest("USA 41%, Greece 10%") == "United States"
    assert largest("note: none") == ""


def test_links_lead_from_one_country_to_another_one():
    rows = list(links())
    found = {(row["subject"], row["relation"]): row["answer"] for row in rows}
    assert found["Mongolia", "main neighbor"] == "China"
    assert found["Canada", "main customer"] == "United States"
    assert len(found) == len(rows) > 300
    assert {row["relation"] for row in rows} == set(FIELDS)
    assert all(row["subject"] != row["answer"] for row in rows)
    assert {row["split"] for row in rows} == {"validation", "test"}
