"""`python -m lm_envs`: the same as the command `lm_envs`."""

from lm_envs.command.cli import main

if __name__ == "__main__":
    main()
