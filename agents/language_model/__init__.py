"""A language model as the agent: a Stable-Baselines3 policy whose network is the language model."""
