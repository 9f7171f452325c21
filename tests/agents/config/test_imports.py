"""Configurations that name modules: what is refused, what is imported, and when."""

import sys

import pydantic
import pytest

from agents.config.imports import (
    check_trusted,
    import_for_run,
    import_modules,
    imported_names,
    shown_flag,
)
from agents.config.loading import UserError
from agents.config.train import TrainConfig
from agents.evaluate import evaluate
from agents.runs.files import write_text
from agents.train import train
from tests.agents.finished_run import CONFIG, changed

MODULE = """
import gymnasium as gym

gym.register(
    "{module}/Short-v0",
    entry_point="lm_envs.envs.ids.next_word:NextWordEnv",
    vector_entry_point="lm_envs.envs.ids.next_word:NextWordVectorEnv",
    kwargs={{"max_new_tokens": 5}},
)


def length(text, references):
    return float(len(text))
"""


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """Name of a module on sys.path that registers an id and holds a reward function."""
    name = f"foreign_{abs(hash(request.node.name))}"
    write_text(tmp_path / "modules" / f"{name}.py", MODULE.format(module=name))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    yield name
    sys.modules.pop(name, None)


def with_env(env_id="lm_envs/NextWord-v0", imports=(), **kwargs):
    env = CONFIG.env.model_copy(update={"id": env_id, "kwargs": {"max_new_tokens": 5} | kwargs})
    return changed(env=env, imports=imports, total_timesteps=64)


@pytest.mark.parametrize(
    ("kwargs", "name"),
    [
        ({"task": "me:Rhyme"}, "me:Rhyme"),
        ({"actions": "me:Actions"}, "me:Actions"),
        ({"actions": {"kind": "me:Actions", "k": 3}}, "me:Actions"),
        ({"observation": "me:Seen"}, "me:Seen"),
        ({"observation": {"kind": "me:Seen"}}, "me:Seen"),
        ({"observation": {"features": ["hidden", "me:Feature"]}}, "me:Feature"),
        ({"observation": {"features": [{"kind": "me:Feature"}]}}, "me:Feature"),
        ({"rewards": {"fluency": 1.0, "me:length": 0.1}}, "me:length"),
    ],
)
def test_every_name_that_imports_code_is_found_and_needs_trust(kwargs, name):
    values = {"env": {"kwargs": kwargs}}
    assert list(imported_names(values)) == [name]
    with pytest.raises(UserError, match=rf"imports {name}, .*--trust-imports"):
        check_trusted(values, trusted=False)
    check_trusted(values, trusted=True)


def test_one_message_lists_all_names():
    values = {"imports": ["mine"], "env": {"kwargs": {"rewards": {"you:r": 1.0}, "task": "me:T"}}}
    with pytest.raises(UserError, match="imports me:T, mine, you:r, which"):
        check_trusted(values, trusted=False)


def test_plain_names_and_our_own_modules_are_trusted():
    kwargs = {"task": "next_word", "actions": {"kind": "top_k"}, "prompt": "a: b"}
    kwargs["rewards"] = {"fluency": 1.0, "lm_envs.tasks.rewards.text_scores:sentiment": 0.5}
    check_trusted({"imports": ["lm_envs.sb3"], "env": {"kwargs": kwargs}}, trusted=False)


def test_modules_with_a_similar_prefix_are_not_trusted():
    with pytest.raises(UserError, match="imports lm_envs_evil"):
        check_trusted({"imports": ["lm_envs_evil"]}, trusted=False)


def test_a_missing_module_is_named_with_the_remedy():
    with pytest.raises(UserError, match=r"imports='no_such_module'.*PYTHONPATH"):
        import_modules(["no_such_module"])


def test_untrusted_imports_stop_training_before_anything_is_imported_or_created(module, tmp_path):
    for config in (
        with_env(f"{module}/Short-v0", imports=(module,)),
        with_env(rewards={f"{module}:length": 1.0}),
    ):
        with pytest.raises(UserError, match=rf"imports {module}.*--trust-imports"):
            train(config, tmp_path / "runs")
    assert module not in sys.modules
    assert not (tmp_path / "runs").exists()


def test_a_trusted_module_registers_an_id_that_is_trained_and_evaluated(module, tmp_path):
    config = with_env(f"{module}/Short-v0", imports=(module,))
    assert train(config, tmp_path, trust_imports=True)["steps"] == 64
    folders = [tmp_path / "test-s0"]
    assert len(evaluate(folders, "test", 4, trust_imports=True)["agent"][0]) == 4
    with pytest.raises(UserError, match="--trust-imports"):
        evaluate(folders, "test", 4)


def test_an_id_that_no_module_registers_is_refused_after_the_imports(module):
    config = with_env(f"{module}/Shrt-v0", imports=(module,))
    with pytest.raises(UserError, match=rf"Shrt-v0'; allowed: .*Did you mean '{module}/Short-v0'"):
        import_for_run(config, trusted=True)


def test_an_unknown_id_is_accepted_only_with_imports():
    values = CONFIG.model_dump() | {"imports": ["rhymes"]}
    values["env"]["id"] = "me/Rhyme-v0"
    assert TrainConfig.model_validate(values).imports == ("rhymes",)
    with pytest.raises(pydantic.ValidationError, match="allowed: lm_envs/NextWord-v0"):
        TrainConfig.model_validate(values | {"imports": []})


def test_a_foreign_environment_is_refused_with_imports_too():
    values = CONFIG.model_dump() | {"imports": ["rhymes"]}
    values["env"]["id"] = "CartPole-v1"
    with pytest.raises(pydantic.ValidationError, match="allowed: lm_envs/NextWord-v0"):
        TrainConfig.model_validate(values)


def test_a_fitted_preference_is_no_import():
    values = {"env": {"kwargs": {"rewards": {"preference:file.safetensors": 1.0, "mine:f": 1.0}}}}
    assert list(imported_names(values)) == ["mine:f"]


def test_our_own_observations_need_no_trust():
    path = "agents.observations.customer_beliefs:CustomerBeliefs"
    for kind, names in ((path, []), ("agents.train:main", ["agents.train:main"])):
        kwargs = {"observation": {"kind": "candidates", "features": [{"kind": kind}]}}
        assert [*imported_names({"env": {"kwargs": kwargs}})] == names


def test_a_command_on_a_run_that_imports_shows_the_flag():
    """Regression: the commands that a training run printed at its end were refused."""
    assert not shown_flag(CONFIG)
    kwargs = {"rewards": {"rhymes:many_commas": 1.0}}
    assert shown_flag(changed(env=CONFIG.env.model_copy(update={"kwargs": kwargs}))) == (
        " --trust-imports"
    )
