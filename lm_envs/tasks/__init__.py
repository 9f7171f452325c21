"""Text in, floats out: the tasks, their examples and their scores. Knows no tensors."""

from lm_envs.tasks.next_word import NextWord

TASKS = {"next_word": NextWord}
"""Every task by name; the only list to edit for a new one."""
