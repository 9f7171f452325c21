"""Claims: each agent against its strongest baseline on the test split, as one family of tests.

Owns which claims are made, how they are evaluated once, and the table of verdicts.
"""
