"""Importing optogram is cheap and brings no backend."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.once, pytest.mark.keras_inside]

HEAVY = (
    *("keras", "tensorflow", "jax", "torch", "numpy", "PIL", "rich", "jinja2"),
    *("matplotlib", "scipy"),
)


def loaded_after(code: str) -> set[str]:
    """The heavy modules that a fresh process has after running ``code``."""
    script = f"{code}\nimport sys; print(*(m for m in {HEAVY} if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_optogram_loads_nothing_heavy():
    assert loaded_after("import optogram") == set()


def test_the_command_line_loads_nothing_heavy_before_it_runs_a_command():
    assert loaded_after("import optogram.cli") == set()


def test_rendering_and_results_need_no_backend():
    loaded = loaded_after("import optogram.render, optogram.result; optogram.load_result")
    assert loaded <= {"numpy", "PIL"}


def test_an_unknown_name_is_an_attribute_error():
    import optogram

    assert not hasattr(optogram, "gradcamm")
    assert "gradcam" in dir(optogram)
    for name, near in (("grad_cam", "gradcam"), ("ScoreCAM", "scorecam")):
        with pytest.raises(AttributeError, match=f"did you mean {near!r}"):
            getattr(optogram, name)
