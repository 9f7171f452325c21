"""Results as tables, pictures and pages, and the comparison of new results with old ones.

Owns how results are shown. Measures nothing.
"""
