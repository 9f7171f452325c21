import pytest

from benchmarks.learning import sweep
from benchmarks.learning.summary import summarize
from tests.benchmarks.finished_runs import config, finished


def test_row_has_reward_interval_threshold_and_seconds():
    runs = [finished([0.0, 0.4, 0.8], seed=0), finished([0.0, 0.6, 0.6], seed=1)]
    (row,) = summarize(runs, 0.5)["rows"]
    assert row["reward"] == pytest.approx(0.7)
    reach = 12.706 * 0.1  # t of 1 degree of freedom; the error is of 2,000 resamples
    assert row["interval"] == pytest.approx([0.7 - reach, 0.7 + reach], abs=0.05)
    assert (row["steps_to_threshold"], row["reached"]) == (150, "2 of 2")
    assert (row["seconds"], row["seeds"], row["examples"]) == (20.0, 2, 50)


def test_seconds_to_a_threshold_are_the_median_over_seeds_of_different_pace():
    runs = [finished([0.0, 0.6], pace=pace, seed=seed) for seed, pace in enumerate((4, 30, 5))]
    (row,) = summarize(runs, 0.5)["rows"]
    assert (row["steps_to_threshold"], row["seconds_to_threshold"]) == (100, 5)


def test_threshold_that_most_seeds_miss_has_no_steps():
    runs = [
        finished([0.0, 0.4], seed=0),
        finished([0.0, 0.9], seed=1),
        finished([0.0, 0.3], seed=2),
    ]
    (row,) = summarize(runs, 0.5)["rows"]
    assert (row["steps_to_threshold"], row["reached"]) == (None, "1 of 3")
    assert row["seconds_to_threshold"] is None


def test_algorithm_on_several_tasks_has_a_row_for_all_tasks():
    tasks = {"words": "lm_envs/NextWord-v0", "questions": "lm_envs/QuestionAnswering-v0"}
    runs = [
        finished([0.0, reward], name=name, env=env, seed=seed)
        for reward, (name, env) in zip((0.2, 0.8), tasks.items(), strict=True)
        for seed in (0, 1)
    ]
    row = summarize(runs, None)["rows"][-1]
    assert (row["what"], row["seeds"]) == ("all tasks", 4)
    assert row["reward"] == pytest.approx(0.5)


def test_runs_with_a_label_have_a_row_of_their_own():
    tasks = {"words": "lm_envs/NextWord-v0", "questions": "lm_envs/QuestionAnswering-v0"}
    runs = [
        finished([0.0, reward], name=name + end, env=env, seed=seed)
        for reward, end in ((0.8, ""), (0.2, "-blind"))
        for name, env in tasks.items()
        for seed in (0, 1)
    ]
    summary = summarize(runs, None, {"words-blind": "blind", "questions-blind": "blind"})
    found = {row["algorithm"]: row["reward"] for row in summary["rows"][-2:]}
    assert found == pytest.approx({"PPO": 0.8, "PPO, blind": 0.2})
    assert summary["profiles"]["algorithms"].keys() == {"PPO", "PPO, blind"}


def test_wall_clock_holds_the_last_reward_of_each_seed():
    runs = [finished([0.0, 0.8], pace=10, seed=0), finished([0.2, 0.4], pace=30, seed=1)]
    curve = summarize(runs, None)["wall_clock"]["smoke"]
    assert curve["seconds"] == [0, 10, 30]
    assert curve["reward"] == pytest.approx([0.1, 0.5, 0.6])
    assert curve["seeds"] == [[0.0, 0.8, 0.8], [0.2, 0.2, 0.4]]


def parts(*rewards, shares=("[:10%]", "", "[:50%]"), **named):
    """Two seeds of one configuration on several shares of its examples, one reward each."""
    return [
        finished([reward + 0.1 * seed], split=f"train{share}", seed=seed, name=name, **named)
        for share, reward in zip(shares, rewards, strict=True)
        for name in (f"smoke{sweep.share_suffix(config(split=f'train{share}'))}",)
        for seed in (0, 1)
    ]


def test_data_efficiency_is_one_curve_in_increasing_order_of_the_share():
    document = summarize(parts(0.2, 0.8, 0.4), None)
    assert [row["what"] for row in document["rows"]] == ["smoke-10pct", "smoke", "smoke-50pct"]
    curve = document["data_efficiency"]["smoke"]
    assert curve["shares"] == [0.1, 0.5, 1.0]
    assert curve["reward"] == pytest.approx([0.25, 0.45, 0.85])
    reach = 12.706 * 0.05
    assert curve["low"] == pytest.approx([0.25 - reach, 0.45 - reach, 0.85 - reach], abs=0.03)
    assert curve["high"] == pytest.approx([0.25 + reach, 0.45 + reach, 0.85 + reach], abs=0.03)
    assert curve["baselines"]["greedy"] == 0.5


def test_sweep_of_whole_splits_has_no_curve_over_shares():
    assert summarize([finished([0.1])], None)["data_efficiency"] == {}


def test_shares_have_separate_rows_over_all_tasks():
    env = "lm_envs/QuestionAnswering-v0"
    other = [
        finished([0.6], name=f"qa{sweep.share_suffix(config(split=split))}", env=env, split=split)
        for split in ("train[:10%]", "train")
    ]
    rows = summarize([*parts(0.2, 0.8, 0.4), *other], None)["rows"][-2:]
    assert [(row["algorithm"], row["seeds"]) for row in rows] == [("PPO-10pct", 3), ("PPO", 3)]
