import pytest
from typer import Typer
from typer.testing import CliRunner

from agents.config.loading import UserError
from agents.play import main, make_session_env
from agents.train import train
from agents.viewing.runs import load_run
from tests.agents.finished_run import changed


def run(*arguments, keys=""):
    app = Typer()
    app.command()(main)
    return CliRunner().invoke(app, [str(each) for each in arguments], input="\n".join(keys))


def test_an_episode_is_played_through_a_pipe():
    options = ("--episodes", 1, "--set", "max_new_tokens=3")
    done = run("lm_envs/NextWord-v0", *options, keys="121")
    assert done.exit_code == 0, done.output
    assert "rewards on the same examples" in done.output


def test_what_cannot_be_played_is_refused(tmp_path):
    with pytest.raises(UserError, match="allowed: name=value"):
        make_session_env("lm_envs/NextWord-v0", None, "test", ["k"], trust_imports=False)
    with pytest.raises(UserError, match="lm_envs/None-v0"):
        make_session_env("lm_envs/None-v0", None, "test", [], trust_imports=False)
    train(changed(total_timesteps=64), tmp_path)
    loaded = load_run(tmp_path / "test-s0")
    with pytest.raises(UserError, match="with a run of lm_envs/NextWord-v0"):
        make_session_env("lm_envs/Dialogue-v0", loaded, "test", [], trust_imports=False)
