import json
import re

import pytest
import typer
from typer.testing import CliRunner

from benchmarks.report import page, plots
from tests.benchmarks.results import MACHINE, make_result, make_row

DETAILS = {"memory_gib": 24, "instructions": "AVX512", "python": "3.11", "date": "2026-11-23"}
DETAILS["versions"] = {"torch": "2.13"}


def write_result(path, *rows, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    document = make_result(*rows, machine=MACHINE | DETAILS, **changes)
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "2026-11-23-a"
    rows = make_row(), make_row("other <b> | x", rate=50), make_row("engine", rate=1234.5, n=64)
    command = "python -m benchmarks throughput --n 8"
    write_result(folder / "throughput.json", *rows, command=command)
    return folder


@pytest.fixture
def run():
    app = typer.Typer()
    app.command()(page.main)
    return lambda *arguments: CliRunner().invoke(app, list(map(str, arguments)))


def test_report_is_html_markdown_and_json(folder, run):
    result = run(folder)
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout.splitlines()[-1])
    assert printed["files"] == [str(folder / f"report.{kind}") for kind in ("html", "md", "json")]
    document = json.loads((folder / "report.json").read_text())
    assert document["results"]["throughput.json"]["rows"][0]["tokens_per_s"] == 100


def test_html_and_markdown_have_rows_machine_versions_and_command(folder, run):
    run(folder)
    for name in ("report.html", "report.md"):
        shown = (folder / name).read_text()
        for text in ("A (AVX512), 2 threads on 2 cores", "torch 2.13", "1,234", "2.0%"):
            assert text in shown
        assert "python -m benchmarks throughput --n 8" in shown


def test_result_without_its_command_has_a_note(tmp_path, run):
    write_result(tmp_path / "throughput.json", make_row())
    run(tmp_path)
    assert "# its options were not recorded" in (tmp_path / "report.md").read_text()


def test_names_are_escaped_in_html_and_markdown(folder, run):
    run(folder)
    assert "other &lt;b&gt; | x</th>" in (folder / "report.html").read_text()
    assert r"| other &lt;b&gt; \| x |" in (folder / "report.md").read_text()


def test_page_has_a_picture_for_each_metric_and_needs_no_network(folder, run):
    write_result(folder / "startup.json", {"what": "make", "seconds": 2.0, "median": 2.0, "iqr": 0})
    run(folder)
    shown = (folder / "report.html").read_text()
    assert re.findall('src="(.{30})', shown) == ["data:image/png;base64,iVBORw0KG"[:30]] * 2
    assert "tokens per s: medians" in shown
    assert "seconds: medians" in shown
    assert "<script" not in shown


def test_evaluations_and_other_documents_are_shown_with_pictures_of_their_folder(folder, run):
    (folder / "ppo").mkdir()
    score = {"mean": 0.5, "interval": [0.4, 0.6]}
    evaluation = {"prompts": 9, "seeds": 2, "policies": {"agent": {"reward": score}}}
    (folder / "ppo" / "evaluation.json").write_text(json.dumps(evaluation))
    (folder / "ppo" / "reward.png").write_bytes(plots.bars([plots.Bar("a", "", 1, 0)], "reward"))
    (folder / "other.json").write_text('{"steps": 3800}')
    run(folder)
    page, text = ((folder / name).read_text() for name in ("report.html", "report.md"))
    assert "<td>0.500<small>0.400 … 0.600</small></td>" in page
    assert "ppo/reward.png</figcaption>" in page
    assert "&quot;steps&quot;: 3800" in page
    assert "| agent | 0.500<br>0.400 … 0.600 |" in text
    assert "![ppo/reward.png](ppo/reward.png)" in text
    assert '"steps": 3800' in text


def test_report_is_not_a_result_of_the_next_report(folder, run):
    run(folder)
    first = (folder / "report.json").read_text()
    run(folder)
    assert (folder / "report.json").read_text() == first


@pytest.mark.parametrize("rate", [100, 130])
def test_slower_row_sets_the_exit_code(folder, run, tmp_path, rate):
    baseline = write_result(tmp_path / "old.json", make_row(rate=rate))
    result = run(folder, "--baseline", baseline)
    assert result.exit_code == int(rate == 130)
    verdict = "slower" if rate == 130 else "same"
    assert verdict in json.loads(result.stdout.splitlines()[-1])["verdicts"].values()
    assert f"1 {verdict}" in (folder / "report.md").read_text()


def test_threshold_is_an_option(folder, run, tmp_path):
    baseline = write_result(tmp_path / "old.json", make_row(rate=130))
    assert run(folder, "--baseline", baseline, "--threshold", 0.5).exit_code == 0


def test_earlier_report_is_a_baseline(folder, run, tmp_path):
    run(folder)
    baseline = (folder / "report.json").rename(tmp_path / "baseline.json")
    write_result(folder / "throughput.json", make_row(rate=60))
    result = run(folder, "--baseline", baseline)
    assert result.exit_code == 1
    shown = (folder / "report.md").read_text()
    assert "| slower | +66.7% | 2.0% | 100 | 60 | tokens per s |" in shown
    assert "Not measured again: throughput, embedded, prompt=32, new=64, other" in shown


def test_comparison_with_noisy_rows_only_is_refused(folder, run, tmp_path):
    baseline = write_result(tmp_path / "old.json", make_row(spread=0.3))
    result = run(folder, "--baseline", baseline)
    assert result.exit_code == 2
    assert "only rows too noisy to compare; measure with more --repeats" in result.output


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "which is no JSON file"),
        ("[1]", "a list; allowed: a JSON object"),
        ('{"steps": 1}', "without timed rows; allowed: a report.json, or a result file"),
    ],
)
def test_invalid_baseline_is_refused(folder, run, tmp_path, content, message):
    (tmp_path / "old.json").write_text(content)
    result = run(folder, "--baseline", tmp_path / "old.json")
    assert result.exit_code == 2
    assert message in result.output


def test_folder_without_results_is_refused(run, tmp_path):
    result = run(tmp_path)
    assert result.exit_code == 2
    assert "without JSON results; allowed: a folder such as benchmarks/results" in result.output


def test_row_of_an_old_baseline_is_compared_under_its_current_name(run, tmp_path):
    folder = tmp_path / "new"
    write_result(folder / "finetune.json", make_row("a forward per token"))
    baseline = write_result(tmp_path / "old.json", make_row("a forward per word"))
    result = run(folder, "--baseline", baseline)
    (name,) = json.loads(result.stdout.splitlines()[-1])["verdicts"]
    assert "a forward per token" in name
