"""Code of other packages: `package/` is imported by the tests, and holds no tests itself."""

collect_ignore = ["package"]
