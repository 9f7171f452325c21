import json

import pytest
from typer import Typer
from typer.testing import CliRunner

from agents.fit_reducer import main
from lm_envs.envs.observations.reducers import load_reducer
from lm_envs.model.loading import fingerprint


@pytest.fixture
def run(tmp_path):
    app = Typer()
    app.command()(main)
    file = str(tmp_path / "r.safetensors")
    return lambda *arguments: CliRunner().invoke(app, ["hashed", file, *arguments])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "bits"], "Got 'bits'; allowed: name=value"),
        (["--env", "CartPole-v1"], "Got --env 'CartPole-v1'; allowed: lm_envs/NextWord-v0"),
        (["--env", "os:Thing-v0"], "Got --env 'os:Thing-v0'; allowed: namespace/Name-v0"),
        (["--import", "rhymes"], "imports rhymes, which runs code"),
        (["--kwarg", "rewards={me:length: 1.0}"], "imports me:length, which"),
        (["--import", "no_such_module", "--trust-imports"], "no module 'no_such_module'"),
    ],
)
def test_invalid_arguments_are_errors_of_one_line(run, arguments, message, tmp_path):
    done = run("--states", "8", *arguments)
    assert done.exit_code == 2
    assert message in done.output
    assert not list(tmp_path.iterdir())


def test_a_wrong_kind_option_or_file_name_is_refused_before_states_are_sampled(
    tmp_path, monkeypatch
):
    """Regression: the error came after a minute of sampling; FILE.txt was written."""
    monkeypatch.setattr("agents.fit_reducer.sample_states", lambda *_: pytest.fail("has sampled"))
    app = Typer()
    app.command()(main)
    fit = lambda *arguments: CliRunner().invoke(app, list(arguments))  # noqa: E731
    file = str(tmp_path / "r.safetensors")
    assert "Got kind='hash'; allowed: 'compressed'" in fit("hash", file).output
    assert "Got option='size'; allowed: 'bits'" in fit("hashed", file, "--set", "size=3").output
    assert "ends in .safetensors" in fit("hashed", str(tmp_path / "r.txt")).output


def test_the_command_fits_and_saves(tmp_path, capsys, checkpoint):
    path = tmp_path / "reducer.safetensors"
    kwargs = [f"model={checkpoint}", "max_new_tokens=3"]
    options = {"options": ["bits=5"], "kwargs": kwargs, "as_json": True}
    main("hashed", path, n_envs=8, states=64, **options)
    summary = json.loads(capsys.readouterr().out)
    assert summary["space"] == "Discrete(32)"
    assert load_reducer(path).model == summary["model"] == fingerprint(str(checkpoint))
