"""Tasks as services for trainers of language models: the trainer's own model writes the texts.

`tool_environments` returns what TRL's `environment_factory` takes, and `dataset_rows` its data;
`lm_envs.services.openenv_app` serves the same by OpenEnv. No model of this library is loaded.
"""

from lm_envs.services.tools import dataset_rows, tool_environments

__all__ = ["dataset_rows", "tool_environments"]
