import importlib.util
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from benchmarks import __main__ as cli
from benchmarks.competitors import ours
from benchmarks.harness import roofline
from benchmarks.harness.processes import Contestant, Job
from benchmarks.subjects import finetune, throughput
from benchmarks.subjects.interfaces import INTERFACES
from lm_envs.model import loading
from tests.model.test_engine import needs_int8


@pytest.fixture
def run(tmp_path):
    import typer

    app = typer.Typer()
    app.command()(cli.main)
    return lambda *arguments: CliRunner().invoke(app, [*arguments, "--output", str(tmp_path)])


def test_an_unknown_subject_is_refused_with_the_list(run):
    result = run("speed")
    assert result.exit_code == 2
    allowed = (
        "throughput, scaling, startup, interfaces, finetune, precision, tasks, training, profile"
    )
    assert f"Got subject 'speed'; allowed: {allowed}." in result.output


def test_an_unknown_dtype_is_refused(run):
    result = run("throughput", "--model", "embedded", "--dtype", "float16")
    assert result.exit_code == 2
    assert "Got dtype='float16'; allowed: 'float32', 'bfloat16', 'int8'." in result.output


def job_of(**changes):
    job = {"num_rows": 1, "prompt": 32, "new": 64, "dtype": "float32"} | changes
    return Job(loading.locate("embedded"), **job)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", pytest.param("int8", marks=needs_int8)])
def test_the_slots_are_counted_as_they_are_kept(dtype):
    """Regression: slots of another type than the linears' were counted in theirs."""
    job = job_of(dtype=dtype)
    engine, context = ours.engine_of(job), 64.0
    few, many = (roofline.step_cost(job.folder, rows, context, dtype).bytes for rows in (1, 65))
    assert many - few == 64 * context * engine.num_bytes / engine.capacity


@pytest.mark.parametrize("new", [40, 64, 200])
def test_slots_take_at_most_a_fifth_more_than_their_tokens(new):
    job = job_of(new=new)
    shape = 2 * 4 * 256 * (job.prompt + new) * 4  # keys and values, layers, width, tokens, bytes
    assert shape <= ours.engine_of(job).num_bytes <= 1.2 * shape


def test_a_result_is_a_table_and_one_json_line(run, tmp_path):
    options = ("--model", "embedded", "--n", "2", "--dtype", "float32", "--repeats", "1")
    result = run("throughput", *options)
    document = json.loads(result.stdout.splitlines()[-1])
    rows = {row["what"]: row for row in document["rows"]}
    assert set(rows) == {name for name in throughput.KINDS if "CTranslate2" not in name}
    for row in rows.values():
        assert row["tokens_per_s"] == pytest.approx(2 * 64 / row["median"])
        assert row["peak_gib"] > 0.1
    ours, rollout = rows["environment"], rows["Stable-Baselines3 rollout"]
    decoding = ours["median"] - ours["prompts_s"]
    assert ours["decode_tokens_per_s"] == pytest.approx(2 * 64 / decoding)
    cost = ours["limit"]["cost"]
    assert ours["gb_per_s"] == pytest.approx(cost["bytes"] * 64 / decoding / 1e9)
    assert "decode_tokens_per_s" not in rollout
    assert json.loads(next(tmp_path.rglob("*.json")).read_text()) == document


@needs_int8
def test_rounding_to_8_bits_costs_little_on_held_out_passages(run):
    result = run("precision", "--model", "embedded", "--dtype", "int8")
    exact, *rounded = json.loads(result.stdout.splitlines()[-1])["rows"]
    assert (exact["dtype"], exact["same_best_word"], exact["logprob_error"]) == ("float32", 1.0, 0)
    assert [row["dtype"] for row in rounded] == ["float32", "int8", "int8"]
    assert [row["what"].endswith("8-bit keys and values") for row in rounded] == [True, False, True]
    for row in rounded:
        assert row["perplexity"] < 1.01 * exact["perplexity"]
        assert row["same_best_word"] > 0.97
        assert row["logprob_error"] > 0


def test_every_interface_is_measured(run):
    result = run(
        "interfaces", "--model", "embedded", "--n", "2", "--dtype", "float32", "--repeats", "1"
    )
    rows = json.loads(result.stdout.splitlines()[-1])["rows"]
    assert {row["what"] for row in rows} == set(INTERFACES)
    assert all(row["steps_per_s"] > 0 for row in rows)


def test_finetuning_is_measured_beside_those_that_are_installed(run):
    options = ("--model", "embedded", "--n", "2", "--dtype", "float32", "--repeats", "1")
    document = json.loads(run("finetune", *options).stdout.splitlines()[-1])
    ours, adapted, plain, reference, trl = document["rows"]
    assert ours["speedup"] == 1.0
    assert adapted["learning_s"] > 0
    assert min(ours["writing_s"], ours["learning_s"], plain["learning_s"], plain["peak_gib"]) > 0
    assert reference["what"] == "as RL4LMs"
    assert reference["note"] == "learned from 4 words of 64, the rest extrapolated"
    spent = reference["writing_s"] + 16 * reference["learning_s"]
    assert reference["tokens_per_s"] == pytest.approx(64 / spent)
    assert min(reference["writing_s"], reference["learning_s"], reference["peak_gib"]) > 0
    assert min(reference[f"{part}speedup"] for part in ("", "writing_", "learning_")) > 0
    assert ("tokens_per_s" in trl) == (importlib.util.find_spec("trl") is not None)


def test_a_batch_that_does_not_fit_is_refused_before_it_is_allocated():
    with pytest.raises(ValueError, match=r"Got 1000000000 rows .* at most \d+ fit here"):
        throughput.check_room("embedded", job_of(num_rows=10**9))


def test_a_prompt_that_the_model_cannot_hold_is_refused(run):
    result = run("throughput", "--model", "embedded", "--prompt", "2000")
    assert result.exit_code == 2
    assert "Got prompts of 2000 tokens; embedded has room for" in result.output


def test_an_option_of_another_subject_is_refused(run):
    result = run("precision", "--model", "embedded", "--prompt", "64")
    assert "Got --prompt for precision; allowed: for throughput." in result.output
    result = run("tasks", "--env", "lm_envs/NextWord-v0")
    assert "Got --env for tasks; allowed: for profile." in result.output


def test_an_environment_that_writes_nothing_is_refused(run):
    result = run("profile", "--model", "embedded", "--env", "lm_envs/WeightTuning-v0")
    assert result.exit_code == 2
    assert "Got env='lm_envs/WeightTuning-v0'; allowed: 'lm_envs/NextWord-v0'" in result.output


def test_more_texts_than_an_update_has_room_for_are_refused():
    with pytest.raises(ValueError, match=r"Got 1000000000 texts .* at most \d+ fit here"):
        finetune.check_memory(loading.locate("embedded"), 10**9)


def test_report_has_its_own_options():
    command = [sys.executable, "-m", "benchmarks", "report", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "python -m benchmarks report" in shown
    assert "--baseline" in shown


def fail(job):
    raise RuntimeError("no luck")


@pytest.mark.parametrize("ask", [lambda one: one.write(1), lambda one: one.peak_bytes()])
def test_a_contestant_that_fails_is_named(ask, capfd):
    contestant = Contestant("unlucky", fail, job_of())
    with pytest.raises(RuntimeError, match="Got no answer of 'unlucky'; its error is above"):
        ask(contestant)
    contestant.leave()
    assert "no luck" in capfd.readouterr().err
