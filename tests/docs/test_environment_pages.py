"""The pages of the ids state what the code does, in tables and in the docstrings' own words."""

import ast
import inspect
import re
from typing import get_args

import gymnasium as gym
import pytest
from lm_envs_docs import environment_pages, facts
from lm_envs_docs.docstrings import split_sections

from lm_envs.transcript import TRUNCATIONS, Ending

ENV_IDS = facts.own_ids()
SECTIONS = (
    *("Description", "Action Space", "Observation Space", "Rewards", "Starting State"),
    *("Episode End", "Information", "Arguments", "Example"),
)


def table(page, section, header):
    """Rows of the table of a section whose first header is `header`, without code marks."""
    _, _, text = page.partition(f"\n## {section}\n")
    text = text.partition("\n## ")[0]
    found, rows = False, []
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        found = found or cells[0] == header
        if found and not line.startswith("|"):
            break
        if found and cells[0] not in (header, "---"):
            rows.append(cells)
    return rows


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_a_page_has_the_sections_of_farama(env_id, pages):
    headings = re.findall(r"^## (.+)$", pages[env_id], re.MULTILINE)
    assert [name for name in headings if name in SECTIONS] == list(SECTIONS)


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_tables_state_spaces_and_weights_of_the_environment(env_id, envs, pages):
    env = envs[env_id]
    assert f"| Action space | `{facts.space_text(env.action_space)}` |" in pages[env_id]
    assert f"| Observation space | `{facts.space_text(env.observation_space)}` |" in pages[env_id]
    if isinstance(env.action_space, gym.spaces.Discrete):
        assert f"`Discrete({env.action_space.n})`" in pages[env_id]
        assert len(table(pages[env_id], "Action Space", "action")) == env.action_space.n
    weights = {name: float(weight) for name, weight in table(pages[env_id], "Rewards", "score")}
    assert weights == (facts.weights(env) or {})


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_an_episode_has_the_infos_and_an_ending_of_the_tables(env_id, envs, pages):
    env = envs[env_id]
    _, info = env.reset(seed=5)
    keys, is_over = set(info), False
    while not is_over:
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        keys |= set(info)
        is_over = terminated or truncated
    assert keys == {row[0] for row in table(pages[env_id], "Information", "key")}
    endings = {row[0]: row[1] for row in table(pages[env_id], "Episode End", "ending")}
    assert endings[info["ending"]] == ("truncated" if truncated else "terminated")


def test_every_ending_has_a_sentence():
    assert set(environment_pages.ENDINGS) == set(get_args(Ending))
    assert set(environment_pages.ENDINGS) > TRUNCATIONS


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_docstring_states_the_real_default_weights(env_id, envs):
    weights = facts.weights(envs[env_id])
    _, sections = split_sections(inspect.getdoc(facts.page_class(env_id)) or "")
    literal = re.search(r"rewards=(\{[^}]*\})", sections["Rewards"])
    if weights is None:
        assert literal is None
    else:
        assert ast.literal_eval(literal[1]) == weights


@pytest.mark.parametrize("env_id", ENV_IDS)
def test_docstring_states_the_real_number_of_actions(env_id, envs):
    space = envs[env_id].action_space
    _, sections = split_sections(inspect.getdoc(facts.page_class(env_id)) or "")
    number = re.match(r"`Discrete\((\d+)\)`", sections["Action Space"])
    if number:
        assert int(number[1]) == space.n
    else:
        assert isinstance(space, gym.spaces.Box) or "1 + P" in sections["Action Space"]


def test_overview_links_to_each_page():
    overview = environment_pages.overview_page(ENV_IDS)
    for env_id in ENV_IDS:
        assert f'href="{environment_pages.slug(env_id)}.html"' in overview


def test_a_text_cannot_break_a_table(pages):
    for page in pages.values():
        for line in page.splitlines():
            assert not line.startswith("|") or line.endswith("|")
