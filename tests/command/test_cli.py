import re

import pytest

from lm_envs.command.cli import main


def test_envs_lists_each_id_with_the_first_line_of_its_page(capsys):
    main(["envs"])
    out = " ".join(capsys.readouterr().out.split())
    assert "lm_envs/NextWord-v0 Continue a passage of prose" in out
    assert "lm_envs/WeightTuning-v0 Scale the parts of a language model" in out


def test_unknown_model_is_a_fault_and_ends_with_status_1(capsys, tmp_path):
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--model", str(tmp_path)])
    assert end.value.code == 1
    assert re.search(r"FAULT .*without config\.json", capsys.readouterr().out)


def test_negative_steps_are_one_line():
    with pytest.raises(SystemExit, match="Error: Got steps=-1"):
        main(["demo", "--steps", "-1"])
