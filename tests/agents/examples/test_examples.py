import ast
from pathlib import Path

import pytest

import agents.examples

FOLDER = Path(agents.examples.__file__).parent
SCRIPTS = sorted(FOLDER.glob("*_ppo.py"))
OTHERS = {"torchrl": {"tensordict", "torchrl"}, "tianshou": {"tianshou"}, "skrl": {"skrl"}}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_needs_its_own_library_alone(path):
    tree = ast.parse(path.read_text())
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    ]
    packages = {module.split(".")[0] for module in modules}
    own = OTHERS.get(path.stem.removesuffix("_ppo"), set())
    assert own <= packages
    foreign = set().union({"stable_baselines3"}, *OTHERS.values()) - own
    assert not packages & foreign


def test_the_readme_names_every_script():
    readme = (FOLDER / "README.md").read_text()
    assert all(path.name in readme for path in FOLDER.glob("*_ppo.*"))


@pytest.mark.slow
def test_the_single_file_ppo_trains():
    from agents.examples.cleanrl_style_ppo import Settings, train

    history = train(Settings(num_envs=8, num_updates=2))
    assert len(history) == 2
