"""Rules for environments that adjust the model: a file for each kind of adjustment."""
