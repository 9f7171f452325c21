"""The command line of the benchmarks."""

import json

import pytest

from benchmarks.command import COMMANDS, command, repeated_options, result_path
from benchmarks.subjects.registry import SUBJECTS


def test_unknown_subject_is_refused_with_all_subjects(run_benchmarks):
    result = run_benchmarks("foo")
    assert result.exit_code == 2
    allowed = ", ".join((*SUBJECTS, "claims", "finetuned", "gpu", "learning", "pictures", "report"))
    assert f"Got subject 'foo'; allowed: {allowed}." in result.output


def test_help_names_all_subjects(run_benchmarks):
    shown = run_benchmarks("--help").output
    assert all(
        subject in shown
        for subject in (*SUBJECTS, "claims", "finetuned", "gpu", "learning", "pictures", "report")
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_a_subject_with_a_command_line_of_its_own_shows_its_help(name, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        command([name, "--help"])
    assert f"python -m benchmarks {name} " in capsys.readouterr().out


def test_unknown_dtype_is_refused(run_benchmarks):
    result = run_benchmarks("throughput", "--model", "embedded", "--dtype", "float16")
    assert result.exit_code == 2
    assert "Got dtype='float16'; allowed: 'float32', 'bfloat16', 'int8'." in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["startup", "--model", "embedded"], "--model for startup, which ignores it; allowed: --r"),
        (["precision", "--prompt", "64"], "--prompt for precision, which ignores it; allowed: --m"),
        (["tasks", "--env", "lm_envs/NextWord-v0"], "--env for tasks, which ignores it; allowed: "),
        (["calls", "--n", "2"], "--n for calls, which ignores it; allowed: --model, --env."),
    ],
)
def test_option_that_the_subject_ignores_is_refused(run_benchmarks, arguments, message):
    result = run_benchmarks(*arguments)
    assert result.exit_code == 2
    assert f"Got {message}" in result.output


def test_several_numbers_after_an_option_repeat_it():
    given = ["scaling", "--runners", "1", "2", "4", "--model", "embedded", "--n", "8"]
    expected = ["scaling", "--runners", "1", "--runners", "2", "--runners", "4", "--model"]
    assert repeated_options(given) == [*expected, "embedded", "--n", "8"]


def test_result_is_a_table_a_json_line_and_a_file(run_benchmarks, tmp_path):
    result = run_benchmarks("calls")
    assert "lm_envs/NextWord-v0" in result.stdout.splitlines()[4]
    document = json.loads(result.stdout.splitlines()[-1])
    (path,) = tmp_path.rglob("*.json")
    assert json.loads(path.read_text()) == document
    assert path == result_path(document, tmp_path)
    assert path.name == "calls-embedded.json"
    assert document["command"].startswith("python -m benchmarks")


def test_result_path_has_date_processor_subject_and_model(tmp_path):
    machine = {"cpu": "Intel(R) Xeon(R) CPU", "date": "2026-11-24"}
    document = {"subject": "scaling", "model": "runs/my_model", "machine": machine}
    expected = tmp_path / "2026-11-24-intel-r-xeon-r-cpu" / "scaling-my_model.json"
    assert result_path(document, tmp_path) == expected
    labeled = expected.with_name("scaling-my_model-64-rows.json")
    assert result_path(document, tmp_path, "64-rows") == labeled
