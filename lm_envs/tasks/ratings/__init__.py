"""Ratings by people, in a SQLite file: the texts, the pairs to compare, and each rating."""

from lm_envs.tasks.ratings.rating import Pair, RatedText, Rating
from lm_envs.tasks.ratings.store import RatingStore, StoreWriteError, is_store

__all__ = ["Pair", "RatedText", "Rating", "RatingStore", "StoreWriteError", "is_store"]
