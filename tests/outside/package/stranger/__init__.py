"""An example of another package: a task, a reward, an action kind, a feature and an environment id.

Importing it registers "stranger/Rhyme-v0". It edits nothing of lm_envs.
"""

from pathlib import Path

import lm_envs

RHYMES = Path(__file__).with_name("rhymes.jsonl")

lm_envs.register(
    "stranger/Rhyme-v0",
    task="stranger.task:Rhyme",
    dataset=str(RHYMES),
    max_new_tokens=6,
    rewards={"chrf": 1.0, "stranger.rewards:right_length": 0.5},
    actions={"kind": "stranger.actions:SlipperyTopK", "k": 8, "slip": 0.1},
    observation={"kind": "candidates", "features": ["stranger.features:SyllablesLeft"]},
)
