"""Training, evaluation and pretraining: what runs from a checkout with `python -m agents.<verb>`."""
