"""Rules for questions that chains of relations answer: phrases looked up, and a classifier."""
