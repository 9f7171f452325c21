import numpy as np
import pytest
import torch

from agents.explaining.gradients import blank_prompt, integrated_gradients, word_of_token
from tests.agents.explaining.agents import chat, finetuned_episodes

pytest.importorskip("captum")


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    return finetuned_episodes(tmp_path_factory.mktemp("run"))


def mean_logprob(policy, ids, tokens):
    whole = torch.as_tensor(np.concatenate([ids, tokens])[None])
    with torch.no_grad():
        logits = policy.network.logits(policy.network(whole)[0, len(ids) - 1 : -1])
    known = torch.log_softmax(logits[:, : policy.network.tokenizer_size], -1)
    return float(known.gather(-1, torch.as_tensor(tokens)[:, None]).mean())


@pytest.mark.parametrize("is_chat", [False, True])
def test_the_words_values_add_up_to_the_difference_of_the_outputs(finetuned, is_chat):
    """Completeness, the axiom that integrated gradients are derived from."""
    policy, tokenizer, traces = finetuned
    if is_chat:
        tokenizer = chat(tokenizer)
    for trace in traces:
        own = trace.transcript
        found = integrated_gradients(policy, tokenizer, own)
        assert " ".join(each["word"] for each in found) == own.prompt
        ids = tokenizer.encode_prompt(own.prompt)
        blank = blank_prompt(tokenizer, ids, word_of_token(tokenizer, ids, own.prompt))
        ends = [mean_logprob(policy, each, own.tokens) for each in (ids, blank)]
        assert sum(each["value"] for each in found) == pytest.approx(ends[0] - ends[1], abs=1e-3)


def test_each_token_belongs_to_the_word_that_it_begins_in(finetuned):
    _, tokenizer, _ = finetuned
    prompt = "Unforeseeable  rain, 雨"
    ids = tokenizer.encode_prompt(prompt)
    places = word_of_token(tokenizer, ids, prompt)
    texts = [b""] * len(prompt.split(" "))
    for token, place in zip(ids.tolist(), places.tolist(), strict=True):
        texts[place] += tokenizer.token_bytes[token]
    assert [text.decode().strip() for text in texts] == prompt.split(" ")


def test_one_word_has_no_attribution(finetuned):
    policy, tokenizer, traces = finetuned
    own = traces[0].transcript
    alone = type(own)(**{name: getattr(own, name) for name in own.__slots__} | {"prompt": "Rain"})
    assert integrated_gradients(policy, tokenizer, alone) == []
