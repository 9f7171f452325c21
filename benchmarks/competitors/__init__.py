"""Implementations that are compared: this library, and other ways to do the same.

Owns how each competitor is set up. Knows nothing of the tables that show its results.
"""
