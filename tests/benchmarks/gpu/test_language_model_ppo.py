from benchmarks.gpu import language_model_ppo
from benchmarks.subjects import finetune


def test_competitors_are_those_of_finetune():
    assert set(language_model_ppo.NAMES) <= set(finetune.COMPETITORS)
    assert language_model_ppo.NAMES[0] == finetune.OURS  # the others are compared with it
