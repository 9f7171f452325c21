"""Configuration of the documentation site; `make docs` builds it into docs/_build/html."""

import os
import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the build reads nothing from the network
os.environ.setdefault("LM_ENVS_DEVICE", "cpu")  # the same numbers on every machine

import lm_envs  # noqa: E402 - after the path

project = "lm_envs"
author = "the authors of lm_envs"
version = release = lm_envs.__version__
html_title = f"lm_envs {release}"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
    "lm_envs_docs.extension",
]
exclude_patterns = ["_build", "lm_envs_docs", "tutorials/*.rst"]
suppress_warnings = ["config.cache"]  # functions in sphinx_gallery_conf are not pickled

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]

# Single backquotes in docstrings are code, and a link where the name is documented.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autosummary_generate = False  # `lm_envs_docs.api_pages` writes the pages
napoleon_google_docstring = True
napoleon_numpy_docstring = False

sphinx_gallery_conf = {
    "examples_dirs": "tutorials",
    "gallery_dirs": "learn",
    "filename_pattern": r"\.py$",  # every tutorial runs at each build
    "abort_on_example_error": True,
    "within_subsection_order": "FileNameSortKey",
    "show_signature": False,
    "show_memory": False,
    "min_reported_time": 10_000,
    "write_computation_times": False,
    "remove_config_comments": True,
    "image_scrapers": ("matplotlib",),
    "capture_repr": (),
}

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": True, "top_of_page_buttons": []}
pygments_style, pygments_dark_style = "friendly", "monokai"
