"""Files of an attacker: no code of them is executed, and each is refused by one clear error."""

import json
import pickle
import shutil
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import agents
from agents.config.loading import UserError, load_config, reported
from agents.config.train import TrainConfig
from agents.evaluate import evaluate
from agents.runs import manifest
from agents.runs.session import RunSession
from agents.train import train
from lm_envs.envs.observations.reducers import load_reducer
from lm_envs.storage import read_arrays
from lm_envs.tasks.datasets import read_rows
from tests.agents.exact_state import configured
from tests.agents.finished_run import CONFIG, changed

DEEP = "[" * 100_000


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder of a run of DQN with a replay buffer; only read."""
    runs = tmp_path_factory.mktemp("finished")
    train(configured("DQN", total_timesteps=96), runs)
    return runs / "test-s0"


@pytest.fixture
def folder(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "test-s0")


@pytest.fixture
def payload(tmp_path):
    """An object whose unpickling makes the file `executed`; none may exist after the test."""

    class Payload:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    yield Payload()
    assert not (tmp_path / "executed").exists()


def resume(folder):
    train(configured("DQN", total_timesteps=128), folder.parent, resume=True)


def unlist(folder):
    (folder / manifest.MANIFEST).unlink()


def plain_pickle(path, payload):
    path.write_bytes(pickle.dumps({"parameters": payload}))


def saved_pickle(path, payload):
    torch.save({"parameters": payload}, path)


def pickle_in_zip(path, payload):
    """The archive of a checkpoint, with another pickle in it."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in content.items():
            archive.writestr(name, pickle.dumps(payload) if name.endswith("data.pkl") else part)


def zip_slip(path, payload):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../executed", pickle.dumps(payload))
        archive.writestr("/executed", "x")


def name_of_code(path, payload):
    """A pickle that names a function without calling it."""
    path.write_bytes(pickle.dumps({"parameters": eval}))


FILES = [plain_pickle, saved_pickle, pickle_in_zip, zip_slip, name_of_code]


@pytest.mark.parametrize("make", FILES)
@pytest.mark.parametrize("checkpoint", ["last", "best"])
def test_no_pickle_of_a_checkpoint_is_executed(folder, payload, make, checkpoint):
    make(folder / manifest.CHECKPOINTS[checkpoint], payload)
    with pytest.raises(UserError, match=r"unreadable .*SHA-256|unreadable .*bytes, but"):
        agents.load(folder, checkpoint=checkpoint)
    unlist(folder)
    with pytest.raises(UserError, match="Got an unreadable") as refusal:
        agents.load(folder, checkpoint=checkpoint)
    assert "weights_only" not in str(refusal.value)


def oversize_header(path):
    path.write_bytes(struct.pack("<Q", 2**62) + b"{}")


def lying_header(path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})
    path.write_bytes(struct.pack("<Q", len(header)) + header.encode())


def deep_header(path):
    path.write_bytes(struct.pack("<Q", len(DEEP)) + DEEP.encode())


def pickled_arrays(path):
    np.save(path.with_suffix(".npy"), np.array([eval], object), allow_pickle=True)
    path.with_suffix(".npy").rename(path)


ARRAYS = [oversize_header, lying_header, deep_header, pickled_arrays]


@pytest.mark.parametrize("make", ARRAYS)
def test_files_of_arrays_with_wrong_headers_are_refused(folder, tmp_path, checkpoint, make):
    (replay,) = folder.glob("replay-*")
    make(replay)
    unlist(folder)
    with pytest.raises(UserError, match=rf"Got {replay}, which cannot be read"):
        resume(folder)
    with pytest.raises(ValueError, match="which cannot be read"):
        read_arrays(replay, ["any"])
    make(tmp_path / "reducer.safetensors")
    with pytest.raises(ValueError, match=r"Got .*reducer\.safetensors"):
        load_reducer(tmp_path / "reducer.safetensors")
    model = shutil.copytree(checkpoint, tmp_path / "model")
    make(model / "model.safetensors")
    env = CONFIG.env.model_copy(update={"kwargs": {"model": str(model)}})
    with pytest.raises(ValueError, match=r"model\.safetensors"):
        train(changed(env=env), tmp_path / "runs")


DOCUMENTS = {
    "config.yaml": [
        "a: !!python/object/apply:pathlib.Path.touch [executed]",
        "a: !!python/object/new:os.system [touch executed]",
        "a: &a [*a]",
        DEEP,
        "\x1b]8;;http://evil\x07name: x",
    ],
    "versions.json": [DEEP, "[]", '{"files": 1}'],
    "checkpoints.json": [DEEP, '{"replay-/../../../victim.safetensors": []}', '{"best.pt": 1}'],
    "metrics.jsonl": [DEEP + "\n", "1\n", '{"step": "x"}\n', "{}\n"],
    "progress.csv": ["time/total_timesteps,a\nx,1\n", "time/total_timesteps\n\x00\n", "a\n1\n"],
}


@pytest.mark.parametrize("name", list(DOCUMENTS))
def test_documents_of_a_run_are_refused_by_name(folder, name):
    for content in DOCUMENTS[name]:
        (folder / name).write_text(content)
        with pytest.raises(UserError, match=name.replace(".", r"\.")):
            resume(folder)


def with_replay_named(folder, name):
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    torch.save(state | {"replay": name}, folder / "checkpoint.pt")
    unlist(folder)


def test_no_name_leads_out_of_a_run_folder(folder, tmp_path):
    victim = tmp_path / "victim.safetensors"
    victim.write_text("precious")
    with_replay_named(folder, "../victim.safetensors")
    with pytest.raises(UserError, match="lies in another folder"):
        resume(folder)
    (folder / "replay-").mkdir()
    listed = {"replay-/../../victim.safetensors": [{"bytes": 0, "sha256": "0", "step": 0}]}
    (folder / manifest.MANIFEST).write_text(json.dumps(listed))
    with pytest.raises(UserError, match="Got a damaged"):
        manifest.remove(folder, "replay-*", keep=None)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("name", ["metrics.jsonl", "progress.csv", ".lock", "model"])
def test_nothing_is_written_through_a_link(folder, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(victim)
    with pytest.raises(UserError, match="Got a link in a run folder"):
        resume(folder)
    assert victim.read_text() == "precious"
    (folder / name).unlink()
    with RunSession(folder) as session:
        session.check_folder()


IMPORTS = {
    "rewards": {"rewards": {"pydoc:pipepager": 0.0}},
    "task": {"task": "pydoc:pipepager"},
    "actions": {"actions": {"kind": "pydoc:pipepager"}},
    "features": {"observation": {"kind": "hidden", "features": ["pydoc:pipepager"]}},
}


@pytest.mark.parametrize("name", list(IMPORTS))
def test_a_foreign_run_imports_nothing_without_the_users_word(folder, name):
    values = yaml.safe_load((folder / "config.yaml").read_text())
    values["env"]["kwargs"] = IMPORTS[name]
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    message = r"imports pydoc:pipepager, which runs code .*add --trust-imports"
    with pytest.raises(UserError, match=message):
        agents.load(folder)
    with pytest.raises(UserError, match=message):
        evaluate([folder], "test", 2)
    with pytest.raises(UserError, match=message):
        train(load_config(TrainConfig, folder / "config.yaml"), folder.parent, resume=True)


@pytest.mark.parametrize("id_", ["pydoc:Evil-v0", "../../evil-v0"])
def test_an_id_imports_nothing(folder, id_):
    values = yaml.safe_load((folder / "config.yaml").read_text())
    values["env"]["id"] = id_
    (folder / "config.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(UserError, match=r"env\.id="):
        agents.load(folder)


@pytest.mark.parametrize(
    "name", ["\x1b]0;title\x07a.yaml", "\x1b]8;;http://evil\x1b\\a.yaml", "a\u202elmay.yaml"]
)
def test_escape_codes_of_names_and_texts_do_not_reach_the_terminal(tmp_path, capsys, name):
    with pytest.raises(SystemExit), reported():
        load_config(TrainConfig, tmp_path / name)
    printed = capsys.readouterr().err
    assert printed.startswith("error: Got no file")
    assert printed.count("\n") == 1
    assert not set(printed) & {"\x1b", "\x07", "\u202e"}


@pytest.mark.parametrize("content", [DEEP, '{"prompt": ' + DEEP, "\x00" * 100])
def test_data_files_are_refused_by_name(tmp_path, content):
    path = tmp_path / "evil.jsonl"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"evil\.jsonl"):
        read_rows(str(path), None, {"text": "text"}, "prose")


def test_a_template_of_a_model_is_not_rendered(tmp_path, checkpoint):
    """A chat template is a program; environments never run it."""
    model = shutil.copytree(checkpoint, tmp_path / "model")
    template = "{{ cycler.__init__.__globals__.os.system('touch executed') }}"
    (model / "tokenizer_config.json").write_text(json.dumps({"chat_template": template}))
    (model / "modeling_evil.py").write_text("raise SystemExit('executed')")
    values = json.loads((model / "config.json").read_text())
    values["auto_map"] = {"AutoModelForCausalLM": "modeling_evil.Evil"}
    (model / "config.json").write_text(json.dumps(values))
    env = CONFIG.env.model_copy(update={"kwargs": {"model": str(model), "max_new_tokens": 3}})
    train(changed(env=env, total_timesteps=64), tmp_path)
    assert not Path("executed").exists()
