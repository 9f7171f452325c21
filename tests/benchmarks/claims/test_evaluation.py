"""The file of an evaluated claim."""

import gzip
import json

from benchmarks.claims.evaluation import evaluate_claim, read_claims
from benchmarks.claims.settings import ClaimConfig, claim_configs
from benchmarks.learning.sweep import run_folder
from tests.benchmarks.claims.test_settings import CLAIM


def test_the_most_typical_of_several_texts_has_a_document_of_its_own(tmp_path):
    found = {}
    for mbr in (0, 16):
        claim = ClaimConfig.model_validate({**CLAIM, "mbr": mbr})
        name = "smoke-mbr16" if mbr else "smoke"
        known = {"agent": "old", "policy": "old"}
        (tmp_path / f"{name}.json.gz").write_bytes(gzip.compress(json.dumps(known).encode()))
        ((document,), missing) = read_claims([(claim, claim_configs(claim))], tmp_path)
        found[mbr] = document["policy"]
        assert missing == []
    assert found == {0: "agent", 16: "agent, minimum Bayes risk of 16"}


def test_a_known_document_takes_the_names_of_the_present_file(tmp_path):
    claim = ClaimConfig.model_validate(CLAIM)
    configs = claim_configs(claim)
    hashes = [run_folder(config, tmp_path).name for config in configs]
    options = {"split": "test", "episodes": 1000, "search": True, "clone": True}
    known = {"runs": hashes, "options": options, "environment": "old name", "agent": "old"}
    (tmp_path / "smoke.json.gz").write_bytes(gzip.compress(json.dumps(known).encode()))
    found = evaluate_claim(claim, configs, tmp_path, tmp_path)
    assert (found["environment"], found["agent"]) == ("next words", "PPO")
