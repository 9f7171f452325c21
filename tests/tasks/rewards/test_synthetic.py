import gymnasium as gym
import pytest

import lm_envs  # noqa: F401 - registers the ids
from lm_envs.tasks.rewards.synthetic import has_date, increasing_numbers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 2 3 4 5 6 7 8 9 10", 1.0),
        ("1 2 3", 0.3),
        ("about 5 men and 7.5 women, 6 of 12", 2 / 10),
        ("-3 -1 1e3 inf 4", 0.4),
        ("5 5 6", 0.1),
        ("nan 1 2", 0.1),
        ("1, 2, 3,", 0.0),
        (" ".join(map(str, range(12))), 1.0),
        (f"{' '.join(map(str, range(6)))} {'word ' * 6}", 0.5),
    ],
)
def test_numbers_count_until_the_first_one_that_is_not_greater(text, expected):
    assert increasing_numbers(text) == pytest.approx(expected)


def test_any_digits_in_the_form_of_a_date_are_a_date():
    assert [has_date(text) for text in ("on 2024-05-31.", "0000-99-99", "x1999-01-011")] == [
        1.0
    ] * 3
    assert [has_date(text) for text in ("2024-5-31", "2024/05/31", "in 2024")] == [0.0] * 3


@pytest.mark.parametrize(
    ("score", "text", "budget"),
    [("increasing_numbers", "1 2 3 4 5 6 7 8 9 10", 20), ("has_date", "2000-01-01", 30)],
)
def test_one_text_earns_the_highest_reward_within_the_budget(score, text, budget):
    rewards = {f"lm_envs.tasks.rewards.synthetic:{score}": 1.0}
    arguments: dict = {"prompt_tokens": 0, "max_new_tokens": budget, "actions": "vocabulary"}
    env = gym.make("lm_envs/NextWord-v0", rewards=rewards, dense=False, **arguments)
    env.reset(seed=0)
    tokenizer = env.unwrapped.batch.tokenizer
    steps = [env.step(token) for token in [*tokenizer.encode(text), tokenizer.end_token]]
    assert [terminated for _, _, terminated, _, _ in steps] == [False] * (len(steps) - 1) + [True]
    assert sum(reward for _, reward, *_ in steps) == 1.0
