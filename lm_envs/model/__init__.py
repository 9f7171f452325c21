"""Ids in, small arrays out: a batched GPT-2. Knows no text, episodes or Gymnasium."""
