"""The manual is true: its examples run, and the files and names that it mentions exist."""

import importlib
import re

import pytest

from lm_envs.tasks import TASKS
from lm_envs.tasks.rewards.model_scores import MODEL_SCORES
from lm_envs.tasks.rewards.text_scores import TEXT_SCORES
from lm_envs.tasks.rewards.token_scores import TOKEN_SCORES
from tests.pages import PAGES, ROOT, blocks, text_of

README = text_of("README.md")
SUFFIXES = r"(?:py|md|ya?ml|jsonl|png)"
NEW_FILES = re.findall(r"```python\n# (\S+/\S+)\n", text_of("CONTRIBUTING.md"))
"""Files that a reader of the recipes makes."""


@pytest.mark.parametrize("code", blocks("README.md", "python"))
def test_examples_of_the_readme_run(code):
    exec(compile(code, "README.md", "exec"), {})


def test_the_readme_fits_in_200_lines_of_120_characters():
    lines = README.splitlines()
    assert len(lines) <= 200
    assert max(map(len, lines)) <= 120


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page):
    text = text_of(page)
    tree = rf"\b((?:lm_envs|agents|benchmarks|configs|tests|docs)/[\w/.-]*\.{SUFFIXES})\b"
    named = set(re.findall(tree, text)) - set(NEW_FILES)
    named = {name for name in named if not re.search(r"\b[xy]\.py|test_[xy]\.py", name)}
    inside = re.findall(rf"`((?:envs|model|tasks)/[\w/.-]+\.{SUFFIXES})`", text)
    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^):]+)\)", text)]
    missing = [name for name in sorted(named) if not (ROOT / name).exists()]
    missing += [name for name in inside if not (ROOT / "lm_envs" / name).exists()]
    missing += [link for link in links if link and not ((ROOT / page).parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_names_that_a_page_mentions_exist(page):
    text = text_of(page)
    names = re.findall(r"`((?:lm_envs|agents|benchmarks)(?:\.\w+)+)(?:\(.*?\))?`", text)
    for name in sorted(set(names) - {"lm_envs.environments"}):
        parts = name.split(".")
        found = importlib.import_module(parts[0])
        for number, part in enumerate(parts[1:], 2):
            if not hasattr(found, part):
                importlib.import_module(".".join(parts[:number]))
            found = getattr(found, part)


def test_the_page_of_rewards_has_every_score():
    own = [name for task in TASKS.values() for name in task.task_scores]
    page = text_of("docs/rewards.md")
    missing = {*own, *TOKEN_SCORES, *TEXT_SCORES, *MODEL_SCORES} - set(re.findall(r"`(\w+)`", page))
    assert not missing


@pytest.mark.parametrize("page", PAGES)
def test_commands_that_a_page_names_exist(page):
    from benchmarks.command import COMMANDS
    from benchmarks.subjects.registry import SUBJECTS

    text = text_of(page)
    for command in re.findall(r"python -m (agents\.\w+)", text):
        path = ROOT / command.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), command
    subjects = set(re.findall(r"python -m benchmarks ([a-z]\w*)", text)) - {"resets"}
    assert subjects <= {*SUBJECTS, *COMMANDS}
