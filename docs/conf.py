"""The site: `python -m sphinx -W --keep-going docs site` builds it from docs/, the lessons and the docstrings.

It needs no network, then or later. The extensions in `_ext` set formulas, write the reference, and show source files.
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from _ext import lessons  # noqa: E402
from _ext.sources import linkcode_resolve  # noqa: E402

import tinygen  # noqa: E402

project = "tinygen"
author = "tinygen developers"
copyright = "tinygen developers"  # the name that Sphinx asks for
version = release = tinygen.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.linkcode",
    "sphinx_design",
    "sphinx_copybutton",
    "_ext.formulas",
    "_ext.docstrings",
    "_ext.reference",
    "_ext.sources",
    "_ext.contents",
    "_ext.lessons",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_ext", "images", "lessons/**/*.ipynb", "lessons/**/*.py", "reference/uses"]
linkcode_resolve = linkcode_resolve
default_role = "py:obj"  # a name in single backticks, as docstrings have it: a link if there is such an entry

myst_heading_anchors = 4  # as code hosts name them
myst_fence_as_directive = ["math"]
myst_url_schemes = {"http": None, "https": None, "mailto": None, "source": None}
myst_links_external_new_tab = False
suppress_warnings = ["sphinx_gallery.duplicate_filename"]  # of files that are no lessons

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88
add_module_names = False
toc_object_entries_show_parents = "hide"

sphinx_gallery_conf = lessons.settings()

html_theme = "furo"
html_title = f"tinygen {release}"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_css_files = ["site.css"]
html_math_renderer = "svg"
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"navigation_with_keys": True}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
