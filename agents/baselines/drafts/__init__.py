"""Choices among texts that the model drew for one prompt, and among them and a memory's text."""
