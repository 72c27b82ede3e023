"""Displaying in the output of a notebook's cell."""

import sys
from typing import Any


def is_running() -> bool:
    """Whether this process is the kernel of a notebook: Jupyter, VS Code, Colab and others."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    # IPython in a terminal has no kernel: it displays text only.
    return getattr(shell, "kernel", None) is not None


def display(content: Any) -> Any:
    """Display ``content`` below the running cell.

    Returns
    -------
    IPython.display.DisplayHandle
        ``handle.update(content)`` displays other content in its place.
    """
    from IPython.display import display

    return display(content, display_id=True)
