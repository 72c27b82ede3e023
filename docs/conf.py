"""How Sphinx makes the site: ``nox -s docs``, or ``nox -s docs -- --full`` for full counts.

Every page is executed as it is built: the scripts of the gallery, the code in the pages, the
notebook. A page that raises, warns or leads nowhere stops the build.
"""

import os
import re
from pathlib import Path

DOCS = Path(__file__).parent
VERSION = DOCS.parent / "src" / "optogram" / "version.py"

# What the kernels that run the pages find around them.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
helpers = [str(DOCS / "gallery"), str(DOCS), os.environ.get("PYTHONPATH", "")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, helpers))

project = "optogram"
author = "the authors of optogram"
copyright = "the authors of optogram, Apache License 2.0"
release = re.search(r'__version__ = "(.*?)"', VERSION.read_text(encoding="utf-8"))[1]

extensions = ["myst_nb"]
exclude_patterns = ["conf.py", "make.py", "models.py", "check_links.py", "gallery/setting.py"]
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
nb_output_stderr = "remove"  # what backends log as they start
nb_merge_streams = True
