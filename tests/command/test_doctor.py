import pytest

import lm_envs
from lm_envs.command import doctor


def test_this_installation_has_no_fault():
    findings = {finding.name: finding for _, part in doctor.examine("embedded") for finding in part}
    assert not [finding for finding in findings.values() if finding.is_fault]
    assert findings["rows"].text.startswith("row 1 of a batch")
    assert findings["agents"].text == "installed"


def test_missing_package_of_an_extra_is_named_with_the_line_that_installs_it(monkeypatch):
    real = doctor.metadata.version

    def version(name):
        if name == "peft":
            raise doctor.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    findings = {
        finding.name: finding.text for _, part in doctor.examine("embedded") for finding in part
    }
    assert findings["lora"] == "without peft; pip install 'lm_envs[lora]'"


def test_id_of_another_task_is_described_by_the_task():
    lm_envs.register("doctor/Own-v0", task="package.module:Task")
    assert doctor.first_sentence("doctor/Own-v0") == "package.module:Task"


@pytest.mark.parametrize("entry", ["lm_envs/Dialogue-v0", "lm_envs/StructureSearch-v0"])
def test_first_sentence_is_one_line(entry):
    assert doctor.first_sentence(entry).endswith(".")
    assert "\n" not in doctor.first_sentence(entry)
