"""Every code block of the pages runs, or is parsed by what would read it.

Blocks of Python run. Those marked `py` are other libraries' code or signatures, and are compiled.
Shell commands are parsed by the command that they name; YAML is validated as a configuration.
"""

import importlib
import itertools
import shutil
import textwrap

import pytest
import typer
import yaml

from agents.config.finetune import FinetuneConfig
from agents.config.train import TrainConfig
from agents.train import train
from agents.tune.space import read_space
from tests.pages import PAGES, ROOT, TUTORIALS, blocks, shell_commands, text_of

RUN_BY_OTHER_TESTS = ("README.md", "CONTRIBUTING.md")
LANGUAGES = {"python", "py", "sh", "yaml"}
RUN = {
    "name": "next_word_ppo",
    "env": {"id": "lm_envs/NextWord-v0", "n_envs": 4, "kwargs": {"max_new_tokens": 4}},
    "algorithm": {"name": "PPO", "kwargs": {"n_steps": 8, "batch_size": 16}},
    "total_timesteps": 64,
    "evaluation": {"split": "validation", "episodes": 4, "every": 32},
}
CHAT_TEMPLATE = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def codes(language, pages=PAGES):
    return [(page, code) for page in pages for code in blocks(page, language)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Working folder in which the blocks find the run that they load."""
    folder = tmp_path_factory.mktemp("blocks")
    train(TrainConfig.model_validate(RUN), folder / "runs")
    return folder


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory):
    """The embedded model with a chat template, in place of a model that has to be fetched."""
    from lm_envs.model.loading import locate

    folder = shutil.copytree(locate("embedded"), tmp_path_factory.mktemp("chat") / "model")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    return str(folder)


@pytest.mark.parametrize(
    ("page", "code"), codes("python", [page for page in PAGES if page not in RUN_BY_OTHER_TESTS])
)
def test_python_runs(page, code, folder, chat_model, monkeypatch):
    monkeypatch.chdir(folder)
    code = code.replace('"smollm2"', repr(chat_model)).replace("learn(6_000)", "learn(1_536)")
    exec(compile(code, page, "exec"), {})


@pytest.mark.parametrize(("page", "code"), codes("py"))
def test_code_of_other_libraries_compiles(page, code):
    compile(code, page, "exec")


def test_blocks_have_a_language_that_a_test_reads():
    for page in PAGES:
        opened = [line[3:] for line in text_of(page).splitlines() if line.startswith("```")]
        unknown = {name for name in opened if name and not name.startswith("{")} - LANGUAGES
        assert not unknown, page


def scripts_shell(path):
    """Shell blocks in the comments of a tutorial."""
    text = "\n".join(
        line.removeprefix("# ").removeprefix("#") for line in path.read_text().splitlines()
    )
    _, *parts = text.split(".. code-block:: sh\n")
    for part in parts:
        block = itertools.takewhile(lambda line: not line[:1].strip(), part.splitlines())
        yield textwrap.dedent("\n".join(block))


SHELL = codes("sh") + [(path.name, code) for path in TUTORIALS for code in scripts_shell(path)]


@pytest.mark.parametrize(("page", "code"), SHELL)
def test_commands_accept_their_options(page, code):
    for words in shell_commands(code):
        if words[0] == "lm_envs":
            assert words[1] in ("doctor", "demo", "envs")
            continue
        name, arguments = words[2], words[3:]
        if name == "benchmarks":
            check_benchmark(arguments)
        elif not name.startswith("agents.examples."):
            parse(main_of(name), arguments)
        for word in arguments:
            if word.startswith(("configs/", "benchmarks/sweeps/")):
                assert (ROOT / word).exists(), word


def main_of(name):
    """The function behind `python -m name`."""
    module = importlib.import_module(name)
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{name}.__main__")
    return getattr(module, "main", None) or module.build


def parse(main, arguments):
    app = typer.Typer()
    app.command()(main)
    typer.main.get_command(app).make_context("command", list(arguments))


def check_benchmark(arguments):
    from benchmarks import command

    if arguments and arguments[0] in command.COMMANDS:
        parse(command.COMMANDS[arguments[0]], arguments[1:])
    elif arguments and arguments[0] != "resets":
        parse(command.main, command.repeated_options(arguments))


@pytest.mark.parametrize(("page", "code"), codes("yaml"))
def test_yaml_is_valid(page, code, monkeypatch):
    if code.startswith("# RL4LMs"):
        assert "reward_fn" in yaml.safe_load(code)
        return
    values = yaml.safe_load(code)
    if "search" in values:
        base = TrainConfig.model_validate(values_of("question_answering_ppo"))
        assert list(read_space(base, values["search"]).ranges) == list(values["search"])
    else:
        assert FinetuneConfig.model_validate(values).name == values["name"]


def values_of(name):
    return yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text())
