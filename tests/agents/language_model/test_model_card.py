import shutil
from pathlib import Path

from agents.language_model import model_card
from lm_envs.model import loading

RESULT = {"tokens": 1_000_000, "steps": 10, "minutes": 1.5, "held_out": {"prose": 2.5}}


def test_the_folder_loads_and_its_card_reports_the_result(
    reference_model, checkpoint, tmp_path, monkeypatch
):
    monkeypatch.setattr(model_card, "documents", lambda part, split: ["the cat sat on the mat"])
    tokenizer = shutil.copy(checkpoint / "tokenizer.json", tmp_path / "tokenizer.json")
    before = {name: values.clone() for name, values in reference_model.state_dict().items()}
    target = tmp_path / "model"
    try:
        model_card.write_model_folder(
            reference_model, Path(tokenizer), RESULT, Path("configs/pretrain.yaml"), target
        )
    finally:
        reference_model.load_state_dict(before)  # it is shared, and was rounded to bfloat16
    assert loading.load(target, "cpu", "float32").config.vocab_size == 700
    card = (target / "README.md").read_text()
    assert "| prose |\n| --- |\n| 2.50 |" in card
    assert card.count("- greedy:") == 1
