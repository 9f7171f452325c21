"""Traces of episodes: what a policy could choose, what it preferred, and what it was paid."""
