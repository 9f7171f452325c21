"""Training, evaluation and pretraining: `python -m agents.<verb>` from a checkout."""
