"""Run folders: checkpoints, logs, callbacks."""
