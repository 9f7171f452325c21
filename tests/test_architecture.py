"""The shape of the tree: imports, sizes, mirrored tests, public names.

The numbers are limits that were chosen once; a file or function over a limit is split.
"""

import ast
import importlib
import re
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RANK = {
    "lm_envs.validation": 0,
    "lm_envs.lru": 0,
    "lm_envs.pca": 1,
    "lm_envs.plugins": 1,
    "lm_envs.storage": 1,
    "lm_envs.transcript": 1,
    "lm_envs.fonts": 1,
    "lm_envs.tokenizer": 1,
    "lm_envs.model": 2,
    "lm_envs.tasks": 2,
    "lm_envs.rendering": 2,
    "lm_envs.envs": 3,
    "lm_envs.sb3": 4,
    "lm_envs.services": 4,
    "lm_envs.testing": 4,
    "lm_envs": 4,
    "lm_envs.command": 5,
    "lm_envs.__main__": 6,
    "agents": 5,
    "benchmarks": 6,
}
PACKAGES = ("lm_envs", "agents", "benchmarks")
MEDIAN_FILE, LONGEST_FILE, LONGEST_FUNCTION, LARGEST_FOLDER = 110, 330, 40, 16
LONGEST_KERNEL = 92
PUBLIC_PACKAGES = (
    "lm_envs",
    "lm_envs.envs",
    "lm_envs.envs.actions",
    "lm_envs.envs.observations",
    "lm_envs.tasks",
    "lm_envs.tasks.rewards",
    "lm_envs.testing",
)
MOST_PUBLIC_NAMES = 150
TESTED_ELSEWHERE = {
    "agents.examples.cleanrl_style_ppo": "tests/agents/examples/test_examples.py",
    "agents.examples.skrl_ppo": "tests/agents/examples/test_examples.py",
    "agents.examples.tianshou_ppo": "tests/agents/examples/test_examples.py",
    "agents.examples.torchrl_ppo": "tests/agents/examples/test_examples.py",
}
"""Modules without a test at the mirrored path, and the test that runs them instead."""

PRIVATE = re.compile(r"^_[a-z]\w*$")
FOREIGN = {
    *("_last_obs", "_last_episode_starts", "_setup_learn", "_total_timesteps"),  # SB3's algorithms
    *("_asdict", "_replace", "_fields"),  # named tuples
    "_add_info",  # of Gymnasium's vector environments
    "_schema",  # of PyTorch's operators
    "_patch_lang",  # Triton's interpreter
}
"""Names of other libraries that begin with an underscore."""


def room(module):
    """Longest prefix of `module` that has a rank, or None for a foreign module."""
    parts = module.split(".")
    prefixes = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
    return next((prefix for prefix in prefixes if prefix in RANK), None)


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources():
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield path, name.removesuffix(".__init__")


def test_imports_point_downwards():
    wrong = [
        f"{name} imports {there}"
        for path, name in sources()
        for there in map(room, imported(path))
        if there and there != room(name) and RANK[there] >= RANK[room(name)]
    ]
    assert not wrong


def test_torch_stays_in_the_model():
    outside = [
        name
        for path, name in sources()
        if name.startswith("lm_envs.") and room(name) != "lm_envs.model"
        if any(module.split(".")[0] == "torch" for module in imported(path))
    ]
    assert not outside


def test_tasks_know_no_model_and_models_no_text():
    wrong = [
        f"{name} imports {module}"
        for path, name in sources()
        for module in imported(path)
        if (name.startswith("lm_envs.tasks") and module.startswith("lm_envs.model"))
        or (name.startswith("lm_envs.model") and module.startswith("lm_envs.tokenizer"))
    ]
    assert not wrong


def test_three_modules_of_the_library_use_stable_baselines3():
    users = [
        name
        for path, name in sources()
        if name.startswith("lm_envs")
        if any(module.startswith("stable_baselines3") for module in imported(path))
    ]
    assert users == ["lm_envs.command.demo", "lm_envs.sb3", "lm_envs.testing"]


def test_one_module_imports_code_by_a_callers_name():
    users = [
        name
        for path, name in sources()
        if name.startswith("lm_envs")
        if any(module.startswith("importlib.import_module") for module in imported(path))
        or "importlib.import_module(" in path.read_text()
    ]
    assert users == ["lm_envs.plugins"]


def test_files_are_short():
    sizes = {name: len(path.read_text().splitlines()) for path, name in sources()}
    assert statistics.median(sizes.values()) <= MEDIAN_FILE
    assert not {name: size for name, size in sizes.items() if size > LONGEST_FILE}


def is_kernel(function):
    """Whether Triton compiles it: its arguments are pointers, and its parts are one program."""
    return "triton.jit" in map(ast.unparse, function.decorator_list)


def test_functions_are_short():
    long = [
        f"{name}.{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for path, name in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        if node.end_lineno - node.lineno + 1
        > (LONGEST_KERNEL if is_kernel(node) else LONGEST_FUNCTION)
    ]
    assert not long


def test_folders_are_small():
    counts = {}
    for path, _ in sources():
        counts[path.parent] = counts.get(path.parent, 0) + 1
    assert not {str(folder): n for folder, n in counts.items() if n > LARGEST_FOLDER}


def test_every_module_opens_with_a_docstring():
    assert not [
        name for path, name in sources() if not ast.get_docstring(ast.parse(path.read_text()))
    ]


PUZZLING = re.compile(
    r"\b(who|whoever|nobody|somebody|is told|are told|says|heard|for ever|at hand|to be had)\b"
)
"""Words of sentences that a reader has to solve: a docstring names the code and what it does."""

BRITISH = re.compile(r"\b\w*(colour|centre|normalis|quantis|summaris|optimis|behaviour|neighbour)")


def docstrings(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("pattern", [PUZZLING, BRITISH], ids=["plain words", "American spelling"])
def test_docstrings_use(pattern):
    wrong = [
        f"{name}: {found.group(0)} in {text[:60]!r}"
        for path, name in sources()
        for text in docstrings(ast.parse(path.read_text()))
        if (found := pattern.search(text)) and "optimiser_steps" not in text
    ]
    assert not wrong


def mirrored(path):
    """Path of a module's test."""
    parts = path.relative_to(ROOT).parts
    parts = parts[1:] if parts[0] == "lm_envs" else parts
    return ROOT.joinpath("tests", *parts[:-1], f"test_{path.stem.strip('_')}.py")


def test_every_module_has_a_test_at_its_mirrored_path():
    missing = []
    for path, name in sources():
        is_exempt = path.name == "__init__.py" or name in TESTED_ELSEWHERE
        if not is_exempt and not mirrored(path).is_file():
            missing.append(name)
    assert not missing


def test_what_is_tested_elsewhere_is_imported_there():
    for name, test in TESTED_ELSEWHERE.items():
        assert name.rsplit(".", 1)[0] in {*imported(ROOT / test)}


def test_tests_use_no_private_names_of_ours():
    used = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Attribute) or not PRIVATE.match(node.attr):
                continue
            owner = ast.unparse(node.value)
            is_own = owner in ("self", "cls") or owner.split(".")[0] in ("np", "torch", "gym", "os")
            if not is_own and node.attr not in FOREIGN:
                used.append(f"{path.relative_to(ROOT)}:{node.lineno} {owner}.{node.attr}")
    assert not used


@pytest.mark.parametrize("name", PUBLIC_PACKAGES)
def test_public_packages_name_their_public_names(name):
    module = importlib.import_module(name)
    assert sorted(module.__all__) == sorted(set(module.__all__))
    assert not [each for each in module.__all__ if not hasattr(module, each)]


def test_there_are_few_public_names():
    names = [n for package in PUBLIC_PACKAGES for n in importlib.import_module(package).__all__]
    assert len(names) <= MOST_PUBLIC_NAMES
