"""Observations: the features shown to an agent, and their reduction."""
