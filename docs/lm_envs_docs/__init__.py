"""Writes the generated pages of the documentation site: `make docs`.

Owns what Sphinx does not do by itself: pages of ids, animations, the gallery, links to files of the
repository, and the check of the built pages. The library does not import it.
"""
