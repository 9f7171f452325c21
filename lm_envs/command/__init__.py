"""The command `lm_envs`: lists environments, examines an installation, shows a first agent.

For people that installed the package without its repository; training commands are in `agents/`.
"""
