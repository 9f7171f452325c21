"""One command from a file of claims to the table; the evaluated split is read once."""

import gzip
import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from agents.config.loading import load_config
from benchmarks.claims import command, evaluation
from benchmarks.claims.evaluation import read_claims
from benchmarks.claims.settings import ClaimsConfig, claim_configs
from benchmarks.claims.table import claim_rows, equal_cost_rows, to_markdown
from tests.benchmarks.finished_runs import SMOKE

CLAIM = {
    "config": str(SMOKE),
    "environment": "next words",
    "agent": "PPO",
    "seeds": [0, 1],
    "set": ["total_timesteps=128", "evaluation.every=128", "evaluation.episodes=8"],
    "episodes": 8,
    "search": False,
    "clone": False,
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Arguments of the command, and the output of its first run."""
    folder = tmp_path_factory.mktemp("claims")
    path = folder / "claims.yaml"
    path.write_text(yaml.safe_dump({"claims": [CLAIM]}))
    arguments = [str(path), "--runs", str(folder / "runs"), "--output", str(folder / "results")]
    return arguments, run(arguments), folder / "results" / "claims"


def run(arguments):
    import typer

    app = typer.Typer()
    app.command()(command.main)
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


def test_the_document_holds_each_prompts_score_of_every_seed(finished):
    _, result, target = finished
    assert result.exit_code == 0, result.output
    document = json.loads(gzip.decompress((target / "smoke.json.gz").read_bytes()))
    scores = document["prompt_scores"]
    assert [len(row) for row in scores["agent"]["reward"]] == [8, 8]
    assert document["baselines"]["strongest"] in scores
    assert "| next words, PPO |" in (target / "claims.md").read_text()
    assert len(json.loads((target / "claims.json").read_text())["rows"]) == 1


def test_the_evaluated_split_is_not_read_again(finished, monkeypatch):
    arguments, first, _ = finished

    def refuse(*_, **__):
        raise AssertionError("evaluated again")

    monkeypatch.setattr(evaluation, "evaluate_with_baselines", refuse)
    assert run(arguments).stdout == first.stdout


def test_the_most_typical_texts_are_compared_with_the_baselines_of_the_claim_about_one_text(
    finished, tmp_path, monkeypatch
):
    (_, *options, _), _, target = finished
    target = shutil.copytree(target, tmp_path / "claims")
    options.append(str(tmp_path))
    typical = {**CLAIM, "mbr": 2}
    both = tmp_path / "both.yaml"
    both.write_text(yaml.safe_dump({"claims": [CLAIM, typical]}))

    def refuse(*_, **__):
        raise AssertionError("baselines evaluated again")

    monkeypatch.setattr(evaluation, "evaluate_with_baselines", refuse)
    result = run([str(both), *options])
    assert result.exit_code == 0, result.output
    one, two = (
        json.loads(gzip.decompress((target / f"{name}.json.gz").read_bytes()))
        for name in ("smoke", "smoke-mbr2")
    )
    assert two["policy"] == "agent, minimum Bayes risk of 2"
    assert two["baselines"] == one["baselines"]
    added = two["prompt_scores"].pop("agent, minimum Bayes risk of 2")
    assert two["prompt_scores"] == one["prompt_scores"]
    assert [len(row) for row in added["reward"]] == [8, 8]
    (target / "smoke-mbr2.json.gz").unlink()
    both.write_text(yaml.safe_dump({"claims": [{**typical, "clone": True}]}))
    with pytest.raises(AssertionError, match="baselines evaluated again"):  # with other baselines
        run([str(both), *options])


def test_an_unknown_name_is_refused(finished):
    arguments, _, _ = finished
    result = run([*arguments, "--only", "smok"])
    assert result.exit_code != 0
    assert "Got only=['smok']" in result.output


def test_the_documents_alone_give_the_same_table(finished, tmp_path):
    arguments, first, target = finished
    copied = shutil.copytree(target, tmp_path / "documents")
    (copied / "claims.md").unlink()
    again = run([arguments[0], "--documents", str(copied)])
    assert again.stdout == first.stdout
    assert (copied / "claims.md").read_bytes() == (target / "claims.md").read_bytes()
    (copied / "smoke.json.gz").unlink()
    refused = run([arguments[0], "--documents", str(copied)])
    assert refused.exit_code != 0
    assert "without smoke.json.gz" in refused.output


def test_a_claim_without_a_document_is_left_out_of_the_table_and_named(finished, tmp_path):
    _, first, target = finished
    copied = shutil.copytree(target, tmp_path / "documents")
    more = tmp_path / "more.yaml"
    more.write_text(yaml.safe_dump({"claims": [CLAIM, {**CLAIM, "label": "later"}]}))
    result = run([str(more), "--documents", str(copied)])
    assert result.stdout == first.stdout
    assert result.stderr == "not evaluated, left out: smoke-later\n"


def test_the_committed_documents_give_the_published_table():
    folder = Path("benchmarks/results/2026-11-27-amd-epyc/claims")
    claims = load_config(ClaimsConfig, Path("benchmarks/sweeps/claims.yaml")).claims
    known, _ = read_claims([(claim, claim_configs(claim)) for claim in claims], folder)
    published = Path("benchmarks/RESULTS.md").read_text()
    for rows in (claim_rows(known), equal_cost_rows(known)):
        assert to_markdown(rows) in published
