"""How it is measured: clocks, processes, models and hardware limits."""
