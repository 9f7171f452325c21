"""From files to examples: tables of text, and limits on the length of an example."""
