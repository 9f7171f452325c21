import numpy as np
import pytest

from agents.explaining.occlusion import occlusion_check, word_attributions
from agents.language_model.finetuning import FinetuneRun
from agents.viewing.policies import viewed_agent
from agents.viewing.recorder import record
from tests.agents.finetune_run import small_config


@pytest.fixture(scope="module")
def finetuned(tmp_path_factory):
    run = FinetuneRun(small_config("embedded"), tmp_path_factory.mktemp("run"))
    policy = viewed_agent("agent", run.agent)
    return run.policy, record(run.held_out, policy, range(3))


def test_a_words_value_is_what_the_text_loses_without_it(finetuned):
    policy, traces = finetuned
    own = traces[0].transcript
    found = word_attributions(policy, own)
    assert " ".join(each["word"] for each in found) == own.prompt
    whole = np.concatenate([own.prompt_tokens, own.tokens])
    fewer = np.concatenate([policy.tokenizer.encode(own.prompt.split(" ", 1)[1]), own.tokens])
    means = [mean_logprob(policy, ids, len(own.tokens)) for ids in (whole, fewer)]
    assert found[0]["value"] == pytest.approx(means[0] - means[1], abs=1e-4)


def mean_logprob(policy, ids, count):
    import torch

    with torch.no_grad():
        logits = policy.network.logits(policy.network(torch.as_tensor(ids[None]))[0])
    known = torch.log_softmax(logits[:, : policy.network.tokenizer_size], -1)[:-1]
    return float(known.gather(-1, torch.as_tensor(ids[1:, None])).flatten()[-count:].mean())


def test_the_check_compares_the_most_with_the_least_important_words(finetuned):
    policy, traces = finetuned
    check = occlusion_check(policy, traces)
    assert check is None or 0 <= check["others_changes"]["mean"] <= 1
    assert occlusion_check(policy, traces[:1]) is None
