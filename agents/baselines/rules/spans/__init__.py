"""Rules that find the answer to a question in a paragraph of labeled fields."""
