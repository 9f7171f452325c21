"""The registered language environments, one documented page for each id."""
