import sys

import pytest

from lm_envs.command import demo


def test_untrained_agent_and_greedy_are_shown_on_the_same_prompt():
    *_, means, greedy, agent = demo.run(0, 0)
    assert means.startswith(f"Mean reward of {demo.HELD_OUT} held-out prompts")
    assert greedy.partition(">>")[0][8:] == agent.partition(">>")[0][8:]


def test_missing_stable_baselines3_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "stable_baselines3", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'lm_envs\[agents\]'"):
        list(demo.run(10, 0))
