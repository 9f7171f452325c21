from types import SimpleNamespace

import pytest
import torch

from agents.corpus import streams
from lm_envs.tokenizer import Tokenizer

TEXTS = ["the cat sat on the mat", "the dog sat on the cat", "a mat and a dog"]
MIX = SimpleNamespace(batch_size=6, context=8, seed=3, mix=dict.fromkeys(streams.PARTS, 1.0))


@pytest.fixture
def made(tmp_path, monkeypatch):
    """Tokenizer and streams of a tiny corpus."""
    monkeypatch.setattr(streams, "documents", lambda part, split: TEXTS * 20)
    tokenizer = streams.train_tokenizer(tmp_path / "tokenizer.json", 300)
    return tokenizer, streams.Streams(tokenizer, tmp_path, 0)


def test_a_batch_depends_on_its_step_only(made):
    _, found = made
    assert torch.equal(found.batch(MIX, 5), found.batch(MIX, 5))
    assert not torch.equal(found.batch(MIX, 5), found.batch(MIX, 6))
    assert found.batch(MIX, 0).shape == (6, 8)


@pytest.mark.parametrize(
    "mix", [{"prose": 1.0}, dict.fromkeys(streams.PARTS, 0.0) | {"prose": 1.0}]
)
def test_a_part_of_weight_zero_or_left_out_is_never_drawn(mix, tmp_path, monkeypatch):
    """Regression: a part left out of the mix raised KeyError."""
    words = {part: "cat" if part == "prose" else "dog" for part in streams.PARTS}
    monkeypatch.setattr(streams, "documents", lambda part, split: [words[part]] * 60)
    tokenizer = streams.train_tokenizer(tmp_path / "tokenizer.json", 300)
    found = streams.Streams(tokenizer, tmp_path, 0)
    rows = found.batch(SimpleNamespace(**vars(MIX) | {"mix": mix}), 0)
    assert "dog" not in "".join(map(tokenizer.decode, rows.numpy()))


def test_an_existing_tokenizer_is_loaded_not_trained(made, tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "documents", lambda part, split: pytest.fail("trained again"))
    again = streams.train_tokenizer(tmp_path / "tokenizer.json", 300)
    assert isinstance(again, Tokenizer)
    assert len(again) == len(made[0])


def test_validation_windows_have_the_context_length(made):
    windows = made[1].validation(8)
    assert set(windows) == set(streams.PARTS)
    assert all(rows.shape[1] == 8 for rows in windows.values())
