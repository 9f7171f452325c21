"""Language models as Gymnasium environments.

Importing this registers the environments; it loads neither torch nor a model.
"""

import gymnasium as gym

__version__ = "0.1.0"

_TASK_IDS = {"NextWord-v0": "lm_envs.envs.next_word:NextWord"}

for _name, _entry in _TASK_IDS.items():
    gym.register(
        f"lm_envs/{_name}", entry_point=f"{_entry}Env", vector_entry_point=f"{_entry}VectorEnv"
    )
