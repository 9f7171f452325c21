"""Groups of rows that have one prompt in each episode of the same number."""

import numpy as np
import pytest

from tests.envs.helpers import make

ROWS, GROUP = 6, 3


def prompts(env, episodes=3):
    """Prompts of each row's first episodes, (N, episodes), whose rows end at different times."""
    rng = np.random.default_rng(0)
    found = [[prompt] for prompt in env.reset(seed=5)[1]["prompt"]]
    while min(map(len, found)) < episodes:
        actions = rng.integers(env.single_action_space.n, size=ROWS)
        infos = env.step(actions)[-1]
        for row in np.flatnonzero(infos.get("_final_info", np.zeros(ROWS, bool))):
            found[row].append(infos["prompt"][row])
    return [each[:episodes] for each in found]


def test_rows_of_a_group_have_the_same_prompt_in_each_episode():
    found = prompts(make(ROWS, "same_step", group_size=GROUP, max_new_tokens=6))
    for first in (0, GROUP):
        assert all(each == found[first] for each in found[first : first + GROUP])
        assert len(set(found[first])) == 3
    assert found[0] != found[GROUP]


def test_a_seed_gives_the_same_prompts_again():
    first, second = (make(ROWS, "same_step", group_size=2, max_new_tokens=6) for _ in range(2))
    assert prompts(first) == prompts(second)


def test_rows_that_are_reset_alone_go_on_with_the_prompts_of_their_group():
    env = make(4, group_size=2)
    first = env.reset(seed=1)[1]["prompt"]
    alone = env.reset(options={"reset_mask": np.array([True, False, False, False])})[1]["prompt"]
    partner = env.reset(options={"reset_mask": np.array([False, True, False, False])})[1]["prompt"]
    assert first[0] == first[1] != alone[0] == partner[1]


def test_a_restored_state_draws_the_same_prompts():
    env = make(4, group_size=2)
    env.reset(seed=3)
    state = env.get_state()
    expected = env.reset()[1]["prompt"].tolist()
    other = make(4, group_size=2)
    other.set_state(state)
    assert other.reset()[1]["prompt"].tolist() == expected
    with pytest.raises(ValueError, match="prompt_generators"):
        make(4).set_state(state)
    env.reset(seed=3)
    ungrouped = make(4)
    ungrouped.reset(seed=3)
    with pytest.raises(ValueError, match="prompt_generators"):
        make(4, group_size=2).set_state(ungrouped.get_state())


def test_a_size_that_divides_no_rows_is_refused():
    with pytest.raises(ValueError, match=r"group_size=4 for 6 rows; allowed: .*1, 2, 3, 6"):
        make(6, group_size=4)
