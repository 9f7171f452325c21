"""Run folders: configuration, checkpoints, logs, and the callbacks that write them."""
