"""Rules that read a text until they write its label: classifiers, and when to stop reading."""
