"""Commands import Keras without the packages that no command needs of it."""

import subprocess
import sys

import pytest

from optogram.cli import starting

pytestmark = pytest.mark.keras_inside


def run(code):
    """What a fresh process prints that runs ``code``."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package that can be imported, and is not yet."""
    (tmp_path / "slowly_imported.py").write_text("answer = 42\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "slowly_imported"
    sys.modules.pop("slowly_imported", None)


def test_a_backend_starts_without_packages_that_can_be_imported_later():
    said = run(
        "import gc, sys\n"
        "from optogram.cli.starting import start_backend\n"
        "start_backend()\n"
        "print('keras' in sys.modules, *(name in sys.modules for name in "
        "('matplotlib', 'pandas', 'sklearn')), gc.isenabled())\n"
        "import keras, matplotlib.pyplot, sklearn\n"
        "print(matplotlib.pyplot.__name__, sklearn.__name__)\n"
    )
    assert said == ["True", "False", "False", "False", "True", "matplotlib.pyplot", "sklearn"]


def test_custom_code_gets_all_of_keras():
    said = run(
        "from optogram.cli.starting import start_backend\n"
        "start_backend(runs_code=True)\n"
        "import keras, sys\n"
        "print('sklearn' in sys.modules, keras.wrappers.SKLearnClassifier.__mro__[-2].__module__)\n"
    )
    assert said[0] == "True"
    assert said[1].startswith("sklearn"), "the wrapper is a class of scikit-learn's"


def test_a_package_is_left_out_only_for_the_time_being(package):
    with starting._left_out((package,)), pytest.raises(ImportError):
        __import__(package)
    assert __import__(package).answer == 42
    with starting._left_out((package,)):
        assert __import__(package).answer == 42, "what is imported already stays"


def test_a_package_is_found_again_after_an_error(package):
    with pytest.raises(ValueError, match="no such"), starting._left_out((package,)):
        raise ValueError("no such thing")
    assert __import__(package).answer == 42
