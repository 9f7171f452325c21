"""Run configurations: YAML files as validated values."""
