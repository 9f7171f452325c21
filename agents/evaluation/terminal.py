"""Tables at the terminal.

Owns their width. Knows nothing of what they show.
"""

from rich.console import Console
from rich.table import Table

LARGEST_WIDTH = 1000
"""Columns that a table may take, characters."""


def print_table(table: Table) -> None:
    """Prints a table at its whole width: a terminal wraps lines, where `rich` would cut numbers."""
    console = Console()
    needed = Console(width=LARGEST_WIDTH).measure(table).maximum
    Console(width=max(needed, console.width)).print(table, soft_wrap=True)
