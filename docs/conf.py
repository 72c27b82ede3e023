"""Sphinx configuration: ``nox -s docs``, or ``nox -s docs -- --full`` for the full gallery.

Every page is executed when it is built: gallery scripts, code in pages, the notebook. Exceptions,
warnings and broken links stop the build.
"""

import os
import re
import sys
from pathlib import Path

DOCS = Path(__file__).parent
VERSION = DOCS.parent / "src" / "optogram" / "version.py"

# Environment of the kernels that execute the pages.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
helpers = [str(DOCS / "gallery"), str(DOCS), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, helpers))

project = "optogram"
author = "the authors of optogram"
copyright = "the authors of optogram, Apache License 2.0"
release = re.search(r'__version__ = "(.*?)"', VERSION.read_text(encoding="utf-8"))[1]

extensions = ["myst_nb"]
exclude_patterns = ["conf.py", "make.py", "models.py", "measured.py", "check_links.py"]
exclude_patterns += ["forked_kernels.py", "gallery/setting.py"]
nitpicky = True

html_theme = "furo"
html_title = "optogram"
html_copy_source = False
html_show_sourcelink = False

myst_heading_anchors = 3
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 3600
nb_output_stderr = "remove"  # log messages of backends
nb_merge_streams = True


def setup(app):
    """Sphinx calls this once, before it reads the pages."""
    sys.path.insert(0, str(DOCS))
    import forked_kernels

    forked_kernels.start()
