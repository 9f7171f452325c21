"""Imports point downwards: a room may import only rooms of a lower rank."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
RANK = {
    "lm_envs.validation": 0,
    "lm_envs.lru": 1,
    "lm_envs.pca": 1,
    "lm_envs.plugins": 1,
    "lm_envs.storage": 1,
    "lm_envs.transcript": 1,
    "lm_envs.tokenizer": 1,
    "lm_envs.model": 2,
    "lm_envs.tasks": 2,
    "lm_envs.rendering": 2,
    "lm_envs.envs": 3,
    "lm_envs.sb3": 4,
    "lm_envs": 4,
    "agents": 5,
    "benchmarks": 6,
}


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
    for package in ("lm_envs", "agents", "benchmarks"):
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


def test_only_one_module_of_the_library_speaks_sb3():
    speakers = [
        name
        for path, name in sources()
        if name.startswith("lm_envs")
        if any(module.startswith("stable_baselines3") for module in imported(path))
    ]
    assert speakers == ["lm_envs.sb3"]
