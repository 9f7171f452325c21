from dataclasses import asdict

import pytest

from agents.config.loading import UserError
from agents.evaluation.stages import Stage, compare_seeds, read_stages, stage_table
from agents.runs.files import write_jsonl


def test_seeds_are_compared_by_stage_on_the_same_prompts(tmp_path):
    folders = [tmp_path / "test-s0", tmp_path / "test-s1"]
    for folder, better in zip(folders, (0.5, 0.7), strict=True):
        folder.mkdir()
        stages = {"base": [0.0, 0.2], "reinforced": [better, better + 0.2]}
        write_stages(folder, stages)
    found = compare_seeds(folders)
    assert "gain" not in found["base"]["reward"]
    reinforced = found["reinforced"]["reward"]
    assert reinforced["mean"] == pytest.approx(0.7)
    assert (reinforced["lowest"], reinforced["highest"]) == pytest.approx((0.6, 0.8))
    # Seeds and prompts vary alike: t of 2 degrees of freedom times the root of 0.02.
    reach = 4.302653 * 0.02**0.5
    assert reinforced["interval"] == pytest.approx((0.7 - reach, 0.7 + reach))
    assert reinforced["gain"]["mean"] == pytest.approx(0.6)
    reach = 12.706205 * 0.1  # the prompts cancel out: t of 1 degree of freedom
    assert reinforced["gain"]["interval"] == pytest.approx((0.6 - reach, 0.6 + reach))
    with pytest.raises(UserError, match=r"test-s2, which holds no stages.jsonl"):
        compare_seeds([tmp_path / "test-s2"])
    write_stages(folders[1], {"base": [0.0]})
    with pytest.raises(UserError, match="other stages, measures or prompts"):
        compare_seeds(folders)


def write_stages(folder, rewards):
    rows = [Stage(name, {"reward": each}, []) for name, each in rewards.items()]
    write_jsonl(folder / "stages.jsonl", map(asdict, rows))


def test_the_table_has_a_row_for_each_stage():
    values = {name: [1.0, 2.0] for name in ("reward", "kl", "base_logprob")}
    table = stage_table([Stage("base", values, []), Stage("reinforced", values, [])], "validation")
    assert "| base | 1.500 (-4.853 … 7.853) |" in table
    assert "prompts of the validation split" in table
    assert table.count("| reinforced |") == 1


def test_unicode_line_ends_in_a_sample_end_no_line(tmp_path):
    """Regression: finetune_report and --resume failed with "Unterminated string"."""
    stage = Stage("base", {"reward": [1.0]}, [{"text": "a\u2028b\u2029c\x85d"}])
    write_jsonl(tmp_path / "stages.jsonl", [asdict(stage)])
    assert read_stages(tmp_path) == [stage]
