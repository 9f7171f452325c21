"""
Your own task
=============

A task defines what to write and how it is scored; it knows nothing of models or agents. Most tasks
write one line after a prompt. Such a task is a class with the names of its columns and one method.
"""

# %%
# The examples
# ------------
#
# A file with one JSON object a line. ``split`` divides the examples; without it all of them are in
# every split. Two rows with the same prompt are one example with two right answers.

import json
import tempfile
from pathlib import Path

SOUNDS = {
    **{"cow": "moo", "hen": "cluck", "cat": "meow", "dog": "bark", "pig": "oink", "owl": "hoot"},
    **{"bee": "buzz", "duck": "quack", "horse": "neigh", "sheep": "baa", "frog": "croak"},
    **{"lion": "roar"},
}

folder = Path(tempfile.mkdtemp())
file = folder / "sounds.jsonl"
rows = [
    {"animal": animal, "sound": sound, "split": "validation" if number % 4 == 3 else "train"}
    for number, (animal, sound) in enumerate(SOUNDS.items())
]
file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
print(file.read_text().splitlines()[0])

# %%
# The task
# --------
#
# ``make_item`` turns a row into a prompt and its targets. ``default_rewards`` are the weights of
# the scores; :doc:`/rewards` lists all of them.

import lm_envs
from lm_envs.tasks import CompletionItem, CompletionTask


class Sounds(CompletionTask):
    """Write the sound that an animal makes."""

    column_names = ("animal", "sound")
    default_rewards = {"exact_match": 1.0}

    def make_item(self, row):
        """Returns the prompt, and the right answers."""
        return CompletionItem(f"The sound of a {row.text('animal')}:", row.texts["sound"])


lm_envs.register("me/Sounds-v0", task=Sounds, dataset=str(file), actions="choices")

# %%
# With ``actions="choices"`` an agent chooses among four lines, one of which is right; the other
# three are answers of other examples. Without it, it writes token by token.

import gymnasium as gym

env = gym.make("me/Sounds-v0")
batch = env.unwrapped.batch
_, info = env.reset(seed=0, options={"index": 0})
lines = batch.task.options(batch.episodes.examples[0], [])
print(info["prompt"], "->", [line.text for line in lines])
*_, info = env.step(batch.oracle_actions()[0])
print(info["text"], info["scores"])

# %%
# Several turns
# -------------
#
# A task of several turns overrides ``respond``, which is called after each line of the agent. It
# returns whether the episode is over, the whole text that the model reads before the next line, the
# scores of the task, and a reply, which is shown and not scored. Here a wrong sound gets a second
# try, and is worth half as much.

from lm_envs.tasks import Response


class TwoTries(Sounds):
    """Write the sound that an animal makes; after a wrong one, another."""

    max_turns = 2
    task_scores = ("right",)
    default_rewards = {"right": 1.0}

    def respond(self, example, turns):
        """Returns what follows the agent's last line."""
        line, prompt = turns[-1].strip(), self.item(example).prompt
        is_right = line in example.targets
        is_over = is_right or len(turns) == self.max_turns
        context = "" if is_over else f"{prompt} {line}\nNo.\n{prompt}"
        score = {"right": is_right / len(turns)}
        return Response(is_over, context, score, "Yes." if is_right else "No.")


lm_envs.register("me/TwoTries-v0", task=TwoTries, dataset=str(file), actions="choices")
env = gym.make("me/TwoTries-v0")
env.reset(seed=0, options={"index": 0})
right = int(env.unwrapped.batch.oracle_actions()[0])
_, reward, terminated, _, info = env.step((right + 1) % 4)
print(info["text"], "->", info["reply"], reward, terminated)
_, reward, terminated, _, info = env.step(right)
print(info["text"], "->", info["reply"], reward, terminated, info["scores"])

# %%
# Where more tokens are read than ``prompt_tokens`` and ``max_new_tokens`` together, raise
# ``self.context_tokens`` in ``__init__``: the model reads only the end of a longer text.
#
# The contract
# ------------
#
# ``check_environment`` runs Gymnasium's and Stable-Baselines3's checkers, and checks that rows
# replay the single environment, that seeds give the same episodes, and that states can be
# restored. It raises where something does not hold.

from lm_envs.testing import check_environment

CHECKED_STEPS = 16

check_environment("me/Sounds-v0", steps=CHECKED_STEPS)
print("the contract holds")

# %%
# An agent for it
# ---------------

from stable_baselines3 import PPO
from stable_baselines3.common.evaluation import evaluate_policy

from lm_envs.sb3 import make_language_vec_env

STEPS = 4_000

envs = make_language_vec_env("me/Sounds-v0", n_envs=32, seed=0)
agent = PPO("MlpPolicy", envs, n_steps=16, batch_size=128, gamma=1.0, seed=0)
before, _ = evaluate_policy(agent, envs, 96)
agent.learn(STEPS)
after, _ = evaluate_policy(agent, envs, 96)
print(f"right answers on the training split: {before:.2f} before, {after:.2f} after")

# %%
# Nine examples can be learned by heart; whether anything carries over is measured on
# ``split="validation"``, which has three here: too few to conclude anything. A real task needs
# hundreds of them.
#
# What else a task can do
# -----------------------
#
# * Examples that are no rows of a file: implement all of :class:`lm_envs.tasks.Task`.
# * To be found without an import: an entry point of the group ``lm_envs.environments``.
# * In a configuration: ``imports: [sounds]``, where ``sounds.py`` registers the id, and
#   ``--trust-imports``.
#
# :doc:`/project/contributing` has a tested recipe for each of task, reward, action kind,
# observation, score, architecture, algorithm and benchmark.
