"""Models from public packages as folders that `transformers` and `lm_envs` load."""
