"""Arguments of environments: what they build, and what is refused."""

import inspect
import shutil

import gymnasium as gym
import numpy as np
import pytest

from lm_envs.envs import LanguageVectorEnv
from lm_envs.envs.factory import OWN_ARGUMENTS
from lm_envs.model import loading
from lm_envs.tasks.paraphrase import Paraphrase
from lm_envs.testing import check_environment
from lm_envs.tokenizer import Tokenizer
from tests.envs.helpers import make, make_small
from tests.model.engines import needs_compiler


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "no/where"}, "model='no/where'"),
        ({"dataset": "./no.txt"}, "Got no file"),
        ({"rewards": {"blue": 1.0}}, "unknown score 'blue'; allowed: .*Did you mean 'bleu'"),
        ({"max_new_token": 3}, "'max_new_token'.*Did you mean 'max_new_tokens'"),
        ({"max_new_tokens": 0}, "max_new_tokens=0; allowed: a whole number"),
        ({"max_new_tokens": 1000}, "reads at most 256"),
        ({"actions": "top_q"}, "actions kind='top_q'; allowed: 'top_k'"),
        (
            {"actions": {"kind": "top_k", "j": 3}},
            "unknown option 'j' of actions 'top_k'; allowed: k",
        ),
        ({"actions": {"kind": "top_k", "k": 1}}, "k=1 for top_k actions"),
        ({"actions": {"kind": "top_k", "k": 10**5}}, "up to the size of the vocabulary, 6144"),
        ({"observation": "pixels"}, "observation kind='pixels'; allowed: 'hidden'"),
        ({"split": "dev"}, "split='dev'"),
        ({"max_steps": 0}, "max_steps=0; allowed: a whole number"),
        ({"max_episode_steps": 3}, "gymnasium.make keeps for a limit from outside; use max_steps"),
        ({"num_envs": 0}, "num_envs=0; allowed: a whole number"),
        ({"dense": "yes"}, "dense='yes'; allowed: True, False"),
        ({"prompt_cache": -1}, "prompt_cache=-1; allowed: a whole number, 0 or more"),
        ({"prompt_cache": 0.5}, "prompt_cache=0.5; allowed: a whole number, 0 or more"),
        ({"cache_dtype": "int4"}, "cache_dtype='int4'; allowed: 'auto', 'int8'"),
        ({"cache_dtype": None}, "cache_dtype=None; allowed: 'auto', 'int8'"),
        ({"deterministic": "yes"}, "deterministic='yes'; allowed: True, False"),
        ({"render_mode": "gif"}, "render_mode='gif'; allowed: None, 'ansi', 'rgb_array'"),
        ({"actions": None}, "actions kind=None; allowed: 'top_k', 'vocabulary'"),
        ({"observation": 3}, "observation kind=3; allowed: 'hidden', 'embeddings'"),
        ({"model": None}, "model=None; allowed: str"),
        ({"dtype": ["float32"]}, r"dtype=\['float32'\]; allowed: str"),
        ({"dataset": 3}, "dataset=3; allowed: str"),
        (
            {"rewards": "fluency"},
            r"rewards='fluency'; allowed: a dict \(Mapping\[Any, float\]\) or None\. Give each s",
        ),
        (
            {"dataset": [{"text": "a"}]},
            r"dataset=\[.*\]; allowed: str\. Name a file: rows .*\.jsonl",
        ),
        ({"action": "top_k"}, "Did you mean 'actions'"),
        ({"actions": {"kind": "vocabulary", "top_p": "x"}}, "top_p='x'; allowed: a finite number"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def random_episodes(task, **options):
    """Returns prompts, texts and rewards of ten random steps of two rows."""
    env = LanguageVectorEnv(2, task=task, autoreset_mode="same_step", **options)
    rng = np.random.default_rng(0)
    found = [env.reset(seed=4)[1]["prompt"].tolist()]
    for _ in range(10):
        _, rewards, _, _, infos = env.step(rng.integers(0, 16, 2))
        found.append((rewards.tolist(), infos["text"].tolist()))
    return found


def test_a_task_as_name_class_path_and_object_gives_the_same_episodes():
    by_name = random_episodes("paraphrase", split="validation")
    assert random_episodes(Paraphrase, split="validation") == by_name
    path = "lm_envs.tasks.paraphrase:Paraphrase"
    assert random_episodes(path, split="validation") == by_name
    tokenizer = Tokenizer.from_folder(loading.locate("embedded"))
    assert random_episodes(Paraphrase(tokenizer, split="validation")) == by_name


def test_a_task_object_takes_no_arguments():
    tokenizer = Tokenizer.from_folder(loading.locate("embedded"))
    with pytest.raises(ValueError, match="unexpected keyword argument 'split'"):
        LanguageVectorEnv(1, task=Paraphrase(tokenizer), split="test")


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match="task='chess'; allowed: 'next_word'"):
        LanguageVectorEnv(1, task="chess")
    with pytest.raises(ValueError, match=r"no such name in lm_envs\.tasks.paraphrase"):
        LanguageVectorEnv(1, task="lm_envs.tasks.paraphrase:Paraphras")


def test_ids_without_a_name_are_no_candidates_and_no_actions(checkpoint):
    """Regression: ids beyond the tokenizer were candidates, actions, and part of the sum."""
    env = make_small(checkpoint, actions={"kind": "vocabulary"})
    env.reset(seed=0)
    assert env.single_action_space.n == env.action_masks().shape[1] == len(env.tokenizer)
    assert env.outputs.candidates.max() < len(env.tokenizer)
    whole = make_small(checkpoint, 1, actions={"kind": "top_k", "k": len(env.tokenizer)})
    whole.reset(seed=0)
    assert np.exp(whole.outputs.logprobs).sum() == pytest.approx(1.0, abs=1e-4)


def test_every_end_token_of_the_model_ends_the_episode(checkpoint, tmp_path):
    """Regression: a model's own end was written as text."""
    folder = shutil.copytree(checkpoint, tmp_path / "model")
    (folder / "generation_config.json").write_text('{"eos_token_id": [0, 7]}')
    env = make_small(folder, actions="vocabulary")
    env.reset(seed=0)
    _, _, terminated, _, _ = env.step(np.array([0, 7, 8]))
    assert terminated.tolist() == [True, True, False]
    assert [t.ending for t in env.transcripts] == ["end_token", "end_token", None]
    assert [t.text for t in env.transcripts][:2] == ["", ""]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("task", ["NextWord", "QuestionAnswering"])
def test_environments_of_a_llama_keep_the_contract(llama_checkpoint, task, dtype):
    options = {"dtype": dtype, "prompt_tokens": 100, "max_new_tokens": 40}
    check_environment(f"lm_envs/{task}-v0", steps=4, model=str(llama_checkpoint), **options)


@pytest.mark.parametrize("task", ["WeightTuning", "TrainingControl", "StructureSearch"])
def test_a_llama_is_adjusted_as_gpt2_is(llama_checkpoint, task):
    env = gym.make(f"lm_envs/{task}-v0", model=str(llama_checkpoint), passages=2)
    env.action_space.seed(0)
    before, _ = env.reset(seed=0)
    for _ in range(3):
        after, *_ = env.step(env.action_space.sample())
        assert env.observation_space.contains(after)
    assert not np.array_equal(before, after)


class Unfinished:
    """A task whose __init__ sets nothing."""

    def __init__(self, tokenizer):
        pass


def test_a_task_without_the_attributes_of_a_task_is_refused_by_what_it_lacks():
    with pytest.raises(ValueError, match=r"'Unfinished' without num_examples, .*CompletionTask"):
        LanguageVectorEnv(1, task=Unfinished)


def test_a_task_class_without_annotations_takes_arguments():
    class Plain(Paraphrase):
        def __init__(self, tokenizer, *, most=8):
            super().__init__(tokenizer, split="validation", max_new_tokens=most)

    assert LanguageVectorEnv(1, task=Plain, most=30).task.max_new_tokens == 30


def test_a_path_object_names_files_and_models(tmp_path):
    """Regression: Got dataset=PosixPath(…); allowed: str."""
    file = tmp_path / "texts.jsonl"
    file.write_text('{"text": "One two three four five six.", "split": "train"}\n')
    env = make(dataset=file, model=loading.locate("embedded"))
    assert env.num_examples == 1


def test_the_hint_at_a_misspelled_argument_knows_every_argument_of_the_environment():
    parameters = inspect.signature(LanguageVectorEnv).parameters.values()
    names = {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert set(OWN_ARGUMENTS) == names - {"task"}


@needs_compiler
@pytest.mark.parametrize("env_id", ["lm_envs/NextWord-v0", "lm_envs/StructureSearch-v0"])
def test_a_deterministic_environment_on_a_cpu_is_the_default_one(env_id):
    options = {"disable_env_checker": True, "device": "cpu"}
    envs = [gym.make(env_id, deterministic=given, **options) for given in (True, False)]
    envs[0].action_space.seed(0)
    observations = [env.reset(seed=0)[0] for env in envs]
    for _ in range(3):
        np.testing.assert_array_equal(*observations)
        action = envs[0].action_space.sample()
        observations = [env.step(action)[0] for env in envs]
