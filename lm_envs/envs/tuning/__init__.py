"""Environments whose actions adjust the language model itself."""
