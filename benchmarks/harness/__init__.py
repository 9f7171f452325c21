"""Tools of the measurements: clocks, processes, models, episodes, hardware limits, call counts.

Owns how something is measured. Knows nothing of the subjects or of reports.
"""
