"""The supervised start."""

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import obs_as_tensor

from agents.language_model.warm_start import (
    SupervisedTrainer,
    next_token_loss,
    supervised_pairs,
    warm_start,
)
from lm_envs.model.loading import EMBEDDED, locate
from lm_envs.tasks.dialogue import Dialogue
from lm_envs.tasks.question_answering import QuestionAnswering
from lm_envs.tokenizer import Tokenizer
from tests.agents.language_model.language_agents import make_agent, make_env
from tests.operations import Operations

SETTINGS = {"steps": 12, "learning_rate": 3e-4, "batch_size": 8, "seed": 0}


def test_the_loss_is_that_of_transformers(checkpoint, reference_model):
    network = make_agent(checkpoint).policy.network
    network.tokenizer_size = network.model.config.vocab_size
    rng = np.random.default_rng(0)
    texts = [rng.integers(1, 300, size) for size in (9, 4, 13)]
    ids = [torch.as_tensor(text)[None] for text in texts]
    total = sum(reference_model(i, labels=i).loss * (i.shape[1] - 1) for i in ids)
    expected = total / sum(i.shape[1] - 1 for i in ids)
    torch.testing.assert_close(next_token_loss(network, texts, [1, 1, 1]), expected)


def test_references_become_more_likely(checkpoint):
    env = make_env(checkpoint)
    policy = make_agent(checkpoint, env).policy
    losses = list(warm_start(policy, env.vector_env.task, **SETTINGS))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.5


def test_cached_keys_and_values_are_dropped_after_training(checkpoint):
    env = make_env(checkpoint)
    policy = make_agent(checkpoint, env).policy
    seen = obs_as_tensor(env.reset(), "cpu")
    lengths = seen["length"].long().flatten()
    with torch.no_grad():
        before = policy.hidden_states(seen)
    list(warm_start(policy, env.vector_env.task, **SETTINGS))
    with torch.no_grad():
        expected = policy.network(seen["tokens"].long())[torch.arange(len(lengths)), lengths - 1]
        np.testing.assert_allclose(policy.hidden_states(seen), expected, atol=2e-5)
    assert not torch.allclose(before, expected, atol=1e-3)


def test_a_step_waits_for_the_device_once(checkpoint):
    """Regression: two masks, the loss and the gradient's norm were read one by one."""
    policy = make_agent(checkpoint).policy
    trainer = SupervisedTrainer(policy, 1e-4, "warm_start")
    texts = [np.arange(1, size) for size in (9, 14, 5)]
    trainer.step(texts, [2, 3, 1])  # the optimizer's state is made in the first
    with Operations() as found:
        trainer.step(texts, [2, 3, 1])
    counters = len(policy.network.trainable_parameters)  # Adam's, which stay on the host
    assert found.waits - counters <= 1


def test_a_broken_loss_stops_before_the_weights_change(checkpoint):
    env = make_env(checkpoint)
    policy = make_agent(checkpoint, env).policy
    with torch.no_grad():
        policy.network.model.transformer.ln_f.bias[0] = torch.nan
    before = policy.network.model.transformer.wpe.weight.clone()
    with pytest.raises(FloatingPointError, match="next-token loss nan at step 0 of warm_start"):
        list(warm_start(policy, env.vector_env.task, **SETTINGS))
    assert torch.equal(before, policy.network.model.transformer.wpe.weight)


def test_prompt_tokens_have_no_loss(checkpoint):
    network = make_agent(checkpoint).policy.network
    texts = [np.arange(1, 9), np.arange(5, 11)]
    whole = next_token_loss(network, texts, [1, 1]) * 12
    prompts = next_token_loss(network, [texts[0][:4], texts[1][:3]], [1, 1]) * 5
    torch.testing.assert_close(next_token_loss(network, texts, [4, 3]) * 7, whole - prompts)


def test_each_turn_of_a_dialogue_is_one_pair():
    tokenizer = Tokenizer.from_folder(locate(EMBEDDED))
    task = Dialogue(tokenizer, wishes=["cancel"])
    lines = [
        (tokenizer.decode(prompt), tokenizer.decode(line))
        for prompt, line in supervised_pairs(task, tokenizer, task.example(0))
    ]
    assert [line for _, line in lines] == [
        " Could you please tell me your order number?\n",
        f" Thank you. {task.example(0).targets[0]}\n",
    ]
    assert all(prompt.endswith("\nAgent:") for prompt, _ in lines)


def test_an_answer_is_followed_by_the_end_of_text():
    tokenizer = Tokenizer.from_folder(locate(EMBEDDED))
    task = QuestionAnswering(tokenizer)
    [(prompt, line)] = supervised_pairs(task, tokenizer, task.example(0))
    assert prompt.tolist() == task.example(0).prompt.tolist()
    assert tokenizer.decode(line) == f" {task.example(0).targets[0]}"
    assert line[-1] == tokenizer.end_token


def test_texts_without_a_reference_are_left_out_and_counted(checkpoint, tmp_path):
    """Regression: a text of one token among others ended the run at a random step."""
    file = tmp_path / "texts.txt"
    file.write_text("a\n" + "the cat sat on the mat\n" * 3)
    env = make_env(checkpoint, dataset=str(file))
    policy = make_agent(checkpoint, env).policy
    with pytest.warns(UserWarning, match="Left 1 of 4 examples without a reference out"):
        assert len(list(warm_start(policy, env.vector_env.task, **SETTINGS))) == 12


def test_a_task_without_references_is_refused(checkpoint, tmp_path):
    file = tmp_path / "texts.txt"
    file.write_text("a\nb\nc\n" * 9)
    env = make_env(checkpoint, dataset=str(file))
    policy = make_agent(checkpoint, env).policy
    with pytest.raises(ValueError, match="NextWord, which has no references to start from"):
        list(warm_start(policy, env.vector_env.task, **SETTINGS))
