"""A program for a process of its own: int8 models whose perceptrons have odd sizes.

Prints the largest difference of hidden states between int8 and float32 for each size in the
command line; a kernel that writes beyond an array ends the process by a signal instead.
"""

import sys

import numpy as np
import torch

from lm_envs.model.architectures import gpt2
from lm_envs.model.base import ModelConfig
from tests.model.engines import draw_weights, make_engine, random_tokens


def make_models(intermediate_size):
    """The same random weights in float32 and in int8."""
    config = ModelConfig(
        vocab_size=700,
        hidden_size=64,
        num_layers=2,
        num_heads=4,
        num_kv_heads=4,
        max_positions=160,
        intermediate_size=intermediate_size,
        norm_epsilon=1e-5,
    )
    weights = draw_weights(gpt2.tensor_shapes(config), 0.2)
    yield gpt2.GPT2(config, weights, torch.float32)
    yield gpt2.GPT2(config, weights, torch.bfloat16, int8=True)


def hidden_states(model):
    """Hidden states (5, 20, D) of 20 steps after ragged prompts."""
    rng = np.random.default_rng(0)
    engine = make_engine(model, 5)
    outputs = [engine.prefill(np.arange(5), [random_tokens(rng, n) for n in (3, 9, 17, 30, 2)])]
    outputs += [engine.decode(random_tokens(rng, 5)) for _ in range(19)]
    return np.stack([np.array(each.hidden, dtype=np.float32) for each in outputs], 1)


if __name__ == "__main__":
    for size in map(int, sys.argv[1:]):
        exact, rounded = map(hidden_states, make_models(size))
        print(size, np.abs(exact - rounded).max() / np.abs(exact).max())
