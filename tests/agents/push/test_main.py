"""`agents.push` to a folder that stands for a hub."""

import json

import pytest
from safetensors import safe_open

from agents.config.loading import UserError
from agents.push.__main__ import main, push
from agents.push.agent_files import FILES


def test_an_agent_is_sent_as_files_without_code(run_folder, tmp_path, capsys):
    target = tmp_path / "hub" / "agent"
    main(run_folder, str(target), as_json=True)
    result = json.loads(capsys.readouterr().out)
    assert (result["kind"], result["address"]) == ("agent", str(target))
    sent = {path.name for path in target.iterdir()}
    assert sent == set(result["files"]) <= set(FILES)
    assert {"agent.safetensors", "config.yaml", "README.md", "reward.png"} <= sent
    with safe_open(target / "agent.safetensors", "numpy") as file:
        names = list(file.keys())
    assert all(name.startswith("policy/") for name in names)
    assert not any("optimizer" in name for name in names)


def test_a_model_is_sent_as_transformers_loads_it(tmp_path):
    from lm_envs.model.loading import locate

    target = tmp_path / "hub" / "model"
    result = push(locate("embedded"), str(target))
    assert result["kind"] == "model"
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(result["files"])


@pytest.mark.parametrize(
    ("folder", "repo", "options", "message"),
    [
        ("none", "./hub", {}, "there is no such folder of a run or a model"),
        ("", "no name", {}, "Got repository 'no name'"),
        ("", "{tmp}/hub", {"checkpoint": "first"}, "Got checkpoint='first'; allowed: 'last'"),
        ("", "{tmp}/hub", {}, r"which has no checkpoint\.pt; allowed: a run"),
    ],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    folder, repo, options, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=message):
        push(tmp_path / (folder or "empty"), repo.format(tmp=tmp_path), **options)
    assert not list(tmp_path.glob("hub/*"))
    assert issubclass(UserError, ValueError)
