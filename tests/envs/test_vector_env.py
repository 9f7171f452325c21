import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import lm_envs
from lm_envs.envs import LanguageVectorEnv
from lm_envs.tasks.dialogue import Dialogue

gym.register_envs(lm_envs)
ID = "lm_envs/NextWord-v0"


def make(num_envs=4, mode="disabled", **options):
    options = {"max_new_tokens": 8} | options
    return gym.make_vec(ID, num_envs=num_envs, autoreset_mode=mode, **options).unwrapped


def snapshot(env):
    return [(t.prompt, t.text, t.tokens.tolist(), t.ending) for t in env.transcripts]


def test_reset_mask_leaves_other_rows_alone():
    env = make()
    env.reset(seed=0)
    env.step(np.arange(4))
    before = snapshot(env)
    env.reset(options={"reset_mask": np.array([False, True, False, False])})
    after = snapshot(env)
    assert [before[row] == after[row] for row in range(4)] == [True, False, True, True]
    assert after[1][1] == ""


def test_a_seed_with_a_mask_seeds_the_rows_of_the_mask_only():
    """Regression: rows outside of the mask drew other examples afterwards."""
    env, untouched = make(2), make(2)
    for each in (env, untouched):
        each.reset(seed=0)
    first = np.array([True, False])
    env.reset(seed=100, options={"reset_mask": first})
    seeded = env.transcripts[0].prompt
    for each in (env, untouched):
        each.reset(options={"reset_mask": ~first})
    assert env.transcripts[1].prompt == untouched.transcripts[1].prompt
    untouched.reset(seed=100)
    assert seeded == untouched.transcripts[0].prompt


def test_seeds_and_generators_are_told_as_gymnasiums_own_batches_tell_them():
    """Regression: the seed told was a random number."""
    env, own = make(3), gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
    for each in (env, own):
        each.reset(seed=3)
    assert env.np_random_seed == own.np_random_seed == (3, 4, 5)
    states = [generator.bit_generator.state for generator in env.np_random]
    assert states == env.get_state()["generators"]
    env.reset(seed=[None, 9, 1], options={"reset_mask": np.array([True, True, False])})
    assert env.np_random_seed == (3, 9, 5)
    assert all(seed > 2**32 for seed in make(3).np_random_seed)
    env.set_state(env.get_state())
    assert env.np_random_seed == (-1, -1, -1)


@pytest.mark.parametrize("env_id", [ID, "lm_envs/Dialogue-v0"])
@pytest.mark.parametrize("mode", ["disabled", "next_step", "same_step"])
def test_the_first_reset_has_to_begin_every_row(env_id, mode):
    """Regression: rows that had never begun were shown, which crashed where lines are chosen."""
    env = gym.make_vec(env_id, num_envs=2, autoreset_mode=mode).unwrapped
    with pytest.raises(gym.error.ResetNeeded, match=r"reset_mask of rows \[1\] before the first"):
        env.reset(options={"reset_mask": np.array([False, True])})
    with pytest.raises(gym.error.ResetNeeded, match="before the first"):
        env.step(np.zeros(2, int))
    env.reset(options={"reset_mask": np.ones(2, bool)})
    env.step(np.zeros(2, int))


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_a_row_that_begins_by_itself_says_its_prompt(mode):
    """Regression: only `reset` reported the prompt."""
    env = make(2, mode, max_new_tokens=2)
    env.reset(seed=0)
    for _ in range(3 if mode == "next_step" else 2):
        *_, infos = env.step(np.zeros(2, int))
    assert infos["prompt"].tolist() == [t.prompt for t in env.transcripts]
    assert infos["_prompt"].all()
    assert not infos["_text"].any()


def test_rewards_of_an_episode_add_up_to_the_value_of_its_text():
    dense, sparse = make(mode="same_step"), make(mode="same_step", dense=False)
    rng = np.random.default_rng(0)
    for env in (dense, sparse):
        env.reset(seed=0)
    totals = np.zeros((2, 4))
    for _ in range(8):
        actions = rng.integers(0, 16, 4)
        for number, env in enumerate((dense, sparse)):
            _, rewards, terminated, truncated, infos = env.step(actions)
            over = terminated | truncated
            totals[number] += rewards
            assert env is dense or (rewards[~over] == 0).all()
            values = infos.get("final_info", {}).get("scores", {}).get("reward", np.zeros(4))
            np.testing.assert_allclose(totals[number][over], values[over], atol=1e-12)
        if over.any():
            return
    pytest.fail("no episode ended")


def test_the_reward_is_the_score_of_the_text_that_was_written():
    env = make(1, rewards={"fluency": 1.0})
    env.reset(seed=0)
    for _ in range(8):
        env.step(np.array([3]))
    transcript = env.transcripts[0]
    ids = np.concatenate([transcript.prompt_tokens, transcript.tokens])
    logprobs = env.engine.score([ids])[0][len(transcript.prompt_tokens) :]
    expected = 1 + np.mean(logprobs.clip(-8, 0)) / 8
    assert transcript.scores["reward"] == pytest.approx(expected, abs=1e-4)


def test_writing_the_end_of_text_terminates():
    env = make(1)
    env.reset(seed=0)
    candidates = env.outputs.candidates[0].tolist()
    action = candidates.index(env.tokenizer.end_token)
    _, _, terminated, truncated, infos = env.step(np.array([action]))
    assert (terminated[0], truncated[0], infos["ending"][0]) == (True, False, "end_token")


def test_a_step_limit_truncates_and_the_budget_terminates():
    for options, expected in (
        ({"max_steps": 3}, ("time_limit", False, True)),
        ({"max_new_tokens": 3}, ("budget", True, False)),
        ({"max_new_tokens": 3, "max_steps": 3}, ("budget", True, False)),
    ):
        env = make(1, **options)
        env.reset(seed=0)
        for _ in range(2):
            assert not np.any(env.step(np.array([0]))[2:4])
        _, _, terminated, truncated, infos = env.step(np.array([0]))
        assert (infos["ending"][0], terminated[0], truncated[0]) == expected


@pytest.mark.parametrize("dense", [True, False])
def test_a_step_limit_scores_and_pays_a_single_environment_as_it_does_a_batch(dense):
    """Regression: `max_episode_steps` was Gymnasium's TimeLimit in one and the batch's in other."""
    options = {"max_steps": 3, "dense": dense}
    batch, single = make(1, **options), gym.make(ID, max_new_tokens=8, **options)
    batch.reset(seed=0)
    single.reset(seed=0)
    for _ in range(3):
        _, rewards, terminated, truncated, infos = batch.step(np.array([1]))
        _, reward, was_terminated, was_truncated, info = single.step(1)
        assert (rewards[0], terminated[0], truncated[0]) == (reward, was_terminated, was_truncated)
    assert (infos["ending"][0], info["ending"], was_truncated) == ("time_limit", "time_limit", True)
    assert info["scores"]["reward"] == infos["scores"]["reward"][0] != 0
    assert reward != 0


def test_a_full_context_truncates():
    env = make(1, prompt_tokens=4, max_new_tokens=8)
    env.reset(options={"prompt": "The people of the United States and of the world"})
    room = env.engine.capacity - len(env.transcripts[0].prompt_tokens)
    assert room < 8
    for _ in range(room):
        _, _, terminated, truncated, infos = env.step(np.array([0]))
    assert (infos["ending"][0], terminated[0], truncated[0]) == ("context", False, True)


def test_next_step_ignores_the_action_of_a_row_that_begins():
    env = make(2, AutoresetMode.NEXT_STEP, max_new_tokens=2)
    env.reset(seed=0)
    for _ in range(2):
        _, _, terminated, _, _ = env.step(np.zeros(2, int))
    assert terminated.all()
    _, rewards, terminated, truncated, infos = env.step(np.full(2, 15))
    assert rewards.tolist() == [0, 0]
    assert not (terminated | truncated | infos["_text"]).any()
    assert [t.text for t in env.transcripts] == ["", ""]


def test_pins_choose_the_examples():
    env = make(2)
    env.reset(options={"index": np.array([5, 9])})
    first = snapshot(env)
    env.reset(options={"index": [9, 5]})
    assert snapshot(env) == first[::-1]
    env.reset(options={"prompt": ["Once upon a time", "今天天气"]})
    assert [t.prompt for t in env.transcripts] == ["Once upon a time", "今天天气"]


@pytest.mark.parametrize("cache_dtype", ["auto", "int8"])
def test_what_follows_a_restored_state_is_the_same_bit_for_bit(cache_dtype):
    env, other = (make(5, "same_step", cache_dtype=cache_dtype) for _ in range(2))
    rng = np.random.default_rng(0)
    env.reset(seed=0)
    for _ in range(13):
        env.step(rng.integers(0, 16, 5))
    observations = other.set_state(env.get_state())
    for _ in range(30):
        actions = rng.integers(0, 16, 5)
        mine, rewards, *_ = env.step(actions)
        theirs, other_rewards, *_ = other.step(actions)
        assert np.array_equal(mine, theirs)
        assert np.array_equal(rewards, other_rewards)
    assert observations.shape == env.observation_space.shape


@pytest.mark.parametrize("options", [{"num_envs": 3}, {"max_new_tokens": 9}])
def test_a_state_of_another_shape_is_refused_and_changes_nothing(options):
    """Regression: the environment was left with some of the state's arrays."""
    env, other = make(), make(**options)
    env.reset(seed=0)
    other.reset(seed=1)
    before, outputs = snapshot(env), env.outputs
    what = "of 3 rows" if "num_envs" in options else r"whose tokens has shape \(4, 9\)"
    with pytest.raises(ValueError, match=f"Got a state {what}; allowed"):
        env.set_state(other.get_state())
    assert snapshot(env) == before
    assert env.outputs is outputs


def ways_to_spoil(state):
    """States of which one part is not as `get_state` gives it, by what is said of it."""
    episodes = state["episodes"]
    parts = {
        "row 0 is of example 1000000": {"indices": [10**6, *episodes["indices"][1:]]},
        "row 0 is of example 'x'": {"indices": ["x", *episodes["indices"][1:]]},
        "row 0 is of example .* 'Else'": {"prompts": ["Else", *episodes["prompts"][1:]]},
        "row 0 is of": {"references": np.roll(episodes["references"], 1, 1)},
        "turns of row 0 are": {"turns": [[3], *episodes["turns"][1:]]},
        "ending of row 0 in a state='now'": {"endings": ["now", *episodes["endings"][1:]]},
        "whose tokens lie between": {"tokens": episodes["tokens"] + 10**6},
        "whose counts lie between": {"counts": episodes["counts"] - 2},
        "whose potentials has dtype <U1": {"potentials": np.full(len(episodes["potentials"]), "x")},
        "whose prompts is no list": {"prompts": "text"},
        "not of this task's task_scores: without": {"task_scores": {}},
    }
    spoilt = {what: state | {"episodes": episodes | part} for what, part in parts.items()}
    without = {name: values for name, values in episodes.items() if name != "turns"}
    return spoilt | {
        r"without \['turns'\]": state | {"episodes": without},
        "not of an environment of words, but list": state | {"episodes": []},
        r"without \['episodes', 'generators', 'over'\]": {},
        "not of environments side by side, but NoneType": None,
        "generator of row 0": state | {"generators": [{}, *state["generators"][1:]]},
        "of 0 rows": state | {"over": None},
    }


def test_a_state_that_is_none_is_refused_and_changes_nothing():
    """Regression: arrays were overwritten before examples, task_scores and generators were looked at."""
    env, other = make(), make()
    env.reset(seed=0)
    other.reset(seed=1)
    other.step(np.zeros(4, int))
    before, outputs, draws = snapshot(env), env.outputs, env.get_state()["generators"]
    for message, state in ways_to_spoil(other.get_state()).items():
        with pytest.raises(ValueError, match=f"Got (a state )?.*{message}"):
            env.set_state(state)
        assert snapshot(env) == before
        assert env.outputs is outputs
        assert env.get_state()["generators"] == draws


@pytest.mark.parametrize("options", [{"split": "test"}, {"max_new_tokens": 4}])
def test_a_state_of_other_examples_is_refused_and_changes_nothing(options):
    """Regression: a state of another split was taken, and told of a text that nobody read."""
    env, other = (gym.make(ID, **({"max_new_tokens": 5} | own)).unwrapped for own in ({}, options))
    env.reset(options={"index": 3})
    env.step(0)
    other.reset(seed=0)
    before = snapshot(other.batch)
    with pytest.raises(ValueError, match="Got a state whose"):
        other.set_state(env.get_state())
    assert snapshot(other.batch) == before


def test_a_state_of_a_callers_prompt_is_restored():
    env, other = make(2), make(2)
    env.reset(options={"prompt": ["Once upon a time", "今天天气"]})
    env.step(np.zeros(2, int))
    other.set_state(env.get_state())
    assert snapshot(other) == snapshot(env)


def test_observations_are_fresh_arrays():
    env = make(mode="same_step")
    first, _ = env.reset(seed=0)
    kept = first.copy()
    for _ in range(10):
        env.step(np.zeros(4, int))
    assert np.array_equal(first, kept)


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.array([0, 16, 0, 0]), "Got action 16 in row 1; allowed: 0 to 15"),
        (np.array([0, 0, -1, 0]), "Got action -1 in row 2"),
        (np.zeros(3, int), r"shape \(3,\)"),
        (np.zeros(4), "type float64; allowed: 4 whole numbers"),
    ],
)
def test_a_bad_action_is_refused_and_changes_nothing(actions, message):
    env = make()
    env.reset(seed=0)
    env.step(np.zeros(4, int))
    before, outputs = snapshot(env), env.outputs
    with pytest.raises(ValueError, match=message):
        env.step(actions)
    assert snapshot(env) == before
    assert env.outputs is outputs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prompt": ""}, "prompt '' for row 0; allowed: a text"),
        ({"prompt": "word " * 400}, r"Got a prompt of \d+ tokens for row 0; allowed: 23"),
        ({"index": 10**6}, "index 1000000 for row 0; allowed: 0 to"),
        ({"index": [1, 2]}, "Got 2 values of 'index'; allowed: one, or 4"),
        ({"index": 1, "prompt": "a"}, "both 'index' and 'prompt'"),
        ({"indx": 1}, r"reset options \['indx'\]; allowed: reset_mask, index, prompt"),
        ({"reset_mask": np.zeros(4, bool)}, "with 0 True"),
        ({"reset_mask": np.ones(3, bool)}, r"shape \(3,\) with 3 True"),
    ],
)
def test_bad_reset_options_are_refused_and_change_nothing(options, message):
    env = make()
    env.reset(seed=0)
    before = snapshot(env)
    with pytest.raises(ValueError, match=message):
        env.reset(options=options)
    assert snapshot(env) == before


@pytest.mark.parametrize("seed", [[1], -1, 1.5, "abcd", [0, 1, 2, "a"]])
def test_a_bad_seed_is_refused_and_changes_nothing(seed):
    env = make()
    env.reset(seed=0)
    before = env.get_state()["generators"]
    with pytest.raises(ValueError, match=r"Got seed=.*allowed: None, a whole number, 0 or more"):
        env.reset(seed=seed)
    assert env.get_state()["generators"] == before


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
        ({"actions": {"kind": "top_k", "k": 10**5}}, "up to the vocabulary, 6144"),
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
        ({"render_mode": "gif"}, "render_mode='gif'; allowed: None, 'ansi', 'rgb_array'"),
        ({"actions": None}, r"actions=None; allowed: str \| Mapping\[str, Any\]"),
        ({"observation": 3}, r"observation=3; allowed: str \| Mapping\[str, Any\]"),
        ({"model": None}, "model=None; allowed: str"),
        ({"dtype": ["float32"]}, r"dtype=\['float32'\]; allowed: str"),
        ({"dataset": 3}, "dataset=3; allowed: str"),
        ({"rewards": "fluency"}, r"rewards='fluency'; allowed: Mapping\[str, float\] \| None"),
        ({"actions": {"kind": "vocabulary", "top_p": "x"}}, "top_p='x'; allowed: a finite number"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make(**options)


def test_a_prompt_that_leaves_no_room_for_a_line_is_refused():
    env = gym.make("lm_envs/Translation-v0", actions="choices", prompt_tokens=60)
    longest = len(env.unwrapped.batch.tokenizer.encode("word " * 60))
    with pytest.raises(
        ValueError, match=rf"Got a prompt of {longest} tokens for row 0; allowed: 60"
    ):
        env.reset(options={"prompt": "word " * 60})


def test_an_unknown_autoreset_mode_is_refused():
    with pytest.raises(ValueError, match="autoreset_mode='never'; allowed: 'next_step'"):
        make(mode="never")


def test_stepping_before_reset_or_after_the_end_is_refused():
    env = make(2, max_new_tokens=1)
    with pytest.raises(gym.error.ResetNeeded, match="call reset"):
        env.step(np.zeros(2, int))
    env.reset(seed=0)
    env.step(np.zeros(2, int))
    with pytest.raises(gym.error.ResetNeeded, match=r"rows \[0, 1\] are over"):
        env.step(np.zeros(2, int))


def test_the_cross_entropy_of_the_target_is_paid():
    env = gym.make_vec(
        "lm_envs/Paraphrase-v0",
        num_envs=2,
        autoreset_mode="disabled",
        actions="choices",
        rewards={"cross_entropy": 1.0},
    ).unwrapped
    env.reset(options={"index": 4})
    right = env.oracle_actions()[0]
    infos = env.step(np.array([right, (right + 1) % 4]))[-1]
    scores = infos["scores"]["cross_entropy"]
    assert 0.0 <= scores[1] < scores[0] <= 1.0
    transcript = env.transcripts[0]
    prompt = env.tokenizer.encode(f"Text: {transcript.text.strip()}\nParaphrase:")
    ids = np.concatenate([prompt, env.tokenizer.encode(f" {transcript.reference.strip()}")])
    expected = 1 + env.engine.score([ids])[0][len(prompt) :].clip(-8, 0).mean() / 8
    assert scores[0] == pytest.approx(expected, abs=1e-5)


def test_a_text_without_target_has_no_cross_entropy():
    env = gym.make_vec(
        "lm_envs/Paraphrase-v0",
        num_envs=1,
        autoreset_mode="disabled",
        rewards={"cross_entropy": 1.0},
    ).unwrapped
    env.reset(options={"prompt": "Text: Hello.\nParaphrase:"})
    assert env.step(np.array([0]))[1].tolist() == [0.0]


def test_rewards_of_an_earlier_episode_do_not_linger():
    """Regression: with dense=False only the last step's reward was written."""
    env = make(1, dense=False, max_new_tokens=3)
    for length in (2, 3):
        env.reset(options={"index": 3})
        for step in range(length):
            last = step == length - 1
            end = env.outputs.candidates[0].tolist().index(env.tokenizer.end_token)
            env.step(np.array([end if last and length == 2 else 1]))
    transcript = env.transcripts[0]
    assert transcript.rewards[:-1].tolist() == [0.0, 0.0]
    assert transcript.rewards.sum() == pytest.approx(transcript.scores["reward"])


def test_a_full_row_may_rest_while_others_write():
    """Regression: with a capacity in whole blocks, the attention read past the slots."""
    env = make(2, "next_step", prompt_tokens=16, max_new_tokens=16, actions="vocabulary")
    env.reset(seed=0)
    end = env.tokenizer.end_token
    env.step(np.array([end, 5]))
    for _ in range(20):
        observations, *_ = env.step(np.array([5, 5]))
    assert np.isfinite(observations).all()


def test_a_chosen_line_is_cut_to_what_the_budget_leaves():
    env = gym.make_vec(
        "lm_envs/Dialogue-v0", num_envs=2, max_new_tokens=12, autoreset_mode="disabled"
    ).unwrapped
    env.reset(seed=0)
    terminated = np.zeros(2, bool)
    while not terminated.any():
        _, _, terminated, _, infos = env.step(np.zeros(2, np.int64))
    assert list(infos["ending"]) == ["budget"] * 2
    assert [len(transcript.tokens) for transcript in env.transcripts] == [12, 12]


class ShortContext(Dialogue):
    """A dialogue in a context that its longest conversations do not fit."""

    def __init__(self, tokenizer):
        super().__init__(tokenizer)
        self.context_tokens = 160


def test_of_a_long_conversation_the_end_is_read():
    env = LanguageVectorEnv(1, task=ShortContext, actions="choices")
    env.reset(options={"index": 0})
    for _ in range(4):
        env.step(np.array([1]))
    size = int(env.episodes.context_lengths[0])
    assert size == 160 - (env.task.max_new_tokens - len(env.transcripts[0].tokens))
    context = env.tokenizer.decode(env.episodes.contexts[0, :size])
    assert context.endswith("Agent:")
    assert not context.startswith(env.transcripts[0].prompt)


asked: list[str] = []


def noted(text, references):
    asked.append(text)
    return 0.5


def test_a_score_that_is_only_reported_is_asked_for_when_the_episode_is_over():
    asked.clear()
    env = make(2, rewards={"fluency": 1.0, f"{__name__}:noted": 0.0})
    env.reset(seed=0)
    is_over = np.zeros(2, bool)
    while not is_over.any():
        assert asked == []
        *_, terminated, truncated, infos = env.step(np.zeros(2, np.int64))
        is_over = terminated | truncated
    assert asked == [env.transcripts[row].text.strip() for row in np.flatnonzero(is_over)]
    assert infos["scores"][f"{__name__}:noted"][is_over].tolist() == [0.5] * is_over.sum()


def upset(text, references):
    if asked:
        raise ZeroDivisionError("nothing to divide")
    return 0.5


UPSET = {"max_new_tokens": 2, "rewards": {f"{__name__}:upset": 1.0}}


@pytest.fixture
def failed():
    """Two rows whose second step failed, and a state from before the first."""
    asked.clear()
    env = make(2, **UPSET)
    env.reset(seed=0)
    state = env.get_state()
    env.step(np.zeros(2, int))
    asked.append("")
    with pytest.raises(RuntimeError, match=r"Got ZeroDivisionError from score '.*:upset': nothing"):
        env.step(np.zeros(2, int))
    asked.clear()
    return env, state


@pytest.mark.parametrize(
    ("what", "act"),
    [
        (r"step\(\)", lambda env: env.step(np.zeros(2, int))),
        (r"get_state\(\)", lambda env: env.get_state()),
        (r"a .* \[1\]", lambda env: env.reset(options={"reset_mask": np.array([False, True])})),
    ],
)
def test_after_a_step_that_failed_nothing_goes_on(failed, what, act):
    """Regression: the next step was an assertion about rows that were full."""
    with pytest.raises(gym.error.ResetNeeded, match=rf"Got {what} after a step\(\) that failed"):
        act(failed[0])


@pytest.mark.parametrize("way", ["reset", "set_state"])
def test_after_a_step_that_failed_a_new_beginning_is_as_good_as_ever(failed, way):
    (env, state), fresh = failed, make(2, **UPSET)
    for each in (env, fresh):
        each.reset(seed=0) if way == "reset" else each.set_state(state)
    for _ in range(2):
        np.testing.assert_array_equal(*[each.step(np.ones(2, int))[0] for each in (env, fresh)])
    assert snapshot(env) == snapshot(fresh)


def test_a_single_environment_whose_step_failed_has_to_be_reset():
    asked.clear()
    env = gym.make(ID, **UPSET)
    env.reset(seed=0)
    asked.append("")
    with pytest.raises(RuntimeError, match="from score"):
        env.step(0)
    asked.clear()
    with pytest.raises(gym.error.ResetNeeded, match=r"after a step\(\) that failed; call reset"):
        env.step(0)
    env.reset(seed=0)
    assert env.step(0)[1] == 0.5


def test_an_environment_that_has_not_begun_has_no_state():
    with pytest.raises(gym.error.ResetNeeded, match=r"get_state\(\) before the first reset"):
        make().get_state()
