"""Addresses of repositories; a folder stands for a hub, since tests have no network."""

import pytest

from agents.config.loading import UserError
from agents.push import hub


def test_a_folder_takes_and_gives_the_named_files_alone(tmp_path):
    source, target = tmp_path / "made", tmp_path / "hub" / "x"
    source.mkdir()
    for name in ("a.txt", "b.txt"):
        (source / name).write_text(name)
    hub.check_target(str(target))
    assert hub.send(source, ["a.txt"], str(target)) == str(target)
    assert [path.name for path in hub.receive(str(target), ["a.txt"]).iterdir()] == ["a.txt"]


@pytest.mark.parametrize("repo", ["name", "a/b/c", "a b/c", "", "-", "user/na me", "https://x.y/z"])
def test_an_address_of_another_form_is_refused(repo):
    with pytest.raises(UserError, match=r"Got repository .*; allowed: user/name"):
        hub.check_target(repo)
    with pytest.raises(UserError, match=r"Got repository .*; allowed: user/name"):
        hub.receive(repo, ["a.txt"])


def test_a_missing_token_is_refused_before_anything_is_sent(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(hub, "get_token", lambda: None)
    with pytest.raises(
        UserError, match=r"no token .*`hf auth login`.*HF_TOKEN.*\./me/agent is a f"
    ):
        hub.check_target("me/agent")


def test_a_folder_that_does_not_exist_gives_nothing(tmp_path):
    with pytest.raises(UserError, match="there is no such folder"):
        hub.receive(str(tmp_path / "none"), ["a.txt"])
