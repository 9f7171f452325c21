"""The configuration of a pretraining run small enough for tests, as plain values."""

VALUES = {
    "run": "runs/test",
    "model": {"n_layer": 1, "n_head": 2, "n_embd": 16, "n_positions": 32},
    "vocab_size": 300,
    "num_steps": 8,
    "mix": {"prose": 1.0},
}
