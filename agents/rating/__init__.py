"""Ratings by people: texts to rate, the page that shows them, and exchange as JSONL."""
