import numpy as np
import pytest
import torch

from agents.explaining.occlusion import occlusion_check, word_attributions
from tests.agents.explaining.agents import chat, finetuned_episodes


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    return finetuned_episodes(tmp_path_factory.mktemp("run"))


def test_a_words_value_is_what_the_text_loses_without_it(finetuned):
    policy, tokenizer, traces = finetuned
    own = traces[0].transcript
    found = word_attributions(policy, tokenizer, own)
    assert " ".join(each["word"] for each in found) == own.prompt
    whole = np.concatenate([own.prompt_tokens, own.tokens])
    fewer = np.concatenate([policy.tokenizer.encode(own.prompt.split(" ", 1)[1]), own.tokens])
    means = [mean_logprob(policy, ids, len(own.tokens)) for ids in (whole, fewer)]
    assert found[0]["value"] == pytest.approx(means[0] - means[1], abs=1e-4)


def mean_logprob(policy, ids, count):
    with torch.no_grad():
        logits = policy.network.logits(policy.network(torch.as_tensor(ids[None]))[0])
    known = torch.log_softmax(logits[:, : policy.network.tokenizer_size], -1)[:-1]
    return float(known.gather(-1, torch.as_tensor(ids[1:, None])).flatten()[-count:].mean())


def test_the_check_compares_the_most_with_the_least_important_words(finetuned):
    policy, tokenizer, traces = finetuned
    check = occlusion_check(policy, tokenizer, traces)
    assert check is None or 0 <= check["others_changes"]["mean"] <= 1
    assert occlusion_check(policy, tokenizer, traces[:1]) is None


def test_prompts_are_read_in_the_chat_template(finetuned):
    """Regression: the words were scored in a text without the template that the agent had read."""
    policy, tokenizer, traces = finetuned
    own = traces[0].transcript
    in_chat = chat(tokenizer)
    plain, whole = (word_attributions(policy, each, own) for each in (tokenizer, in_chat))
    assert [each["word"] for each in whole] == [each["word"] for each in plain]
    fewer = [in_chat.encode_prompt(text) for text in (own.prompt, own.prompt.split(" ", 1)[1])]
    means = [
        mean_logprob(policy, np.concatenate([ids, own.tokens]), len(own.tokens)) for ids in fewer
    ]
    assert whole[0]["value"] == pytest.approx(means[0] - means[1], abs=1e-4)
