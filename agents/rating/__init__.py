"""Ratings by people: texts to rate, the page, exchange as JSONL, and the fit of preferences."""
