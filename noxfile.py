"""Every check of the project, each in an environment of its own: ``nox`` runs them all."""

from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "tests", "oldest", "docs"]

OLDEST_KERAS = "3.12.0"
# Pinned: an open range would take whatever GPU build of PyTorch was released last.
BACKENDS = {"tensorflow": [], "jax": [], "torch": ["torch==2.13.0"]}
# Two at a time: a test keeps about one core busy.
PYTEST = ["pytest", "--numprocesses", "2", "--dist", "worksteal"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types and import rules."""
    session.install("ruff==0.17.6", "mypy==2.4.1", "import-linter==2.16", ".[tensorflow]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")


@nox.session
@nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))
def tests(session: nox.Session, backend: str) -> None:
    """The tests on the newest Keras, with one backend installed."""
    session.install(*BACKENDS[backend], f".[{backend},demo,test]")
    session.run(*PYTEST, *session.posargs, env={"KERAS_BACKEND": backend})


@nox.session
def oldest(session: nox.Session) -> None:
    """The tests on the oldest Keras that is supported."""
    session.install(f"keras=={OLDEST_KERAS}", ".[tensorflow,demo,test]")
    session.run(*PYTEST, *session.posargs, env={"KERAS_BACKEND": "tensorflow"})


@nox.session
def kerashub(session: nox.Session) -> None:
    """KerasHub's image models. Not run by default: keras-hub brings all of TensorFlow."""
    session.install("keras-hub==0.32.0", ".[demo]")
    session.run(
        "python",
        "benchmarks/kerashub.py",
        *session.posargs,
        env={"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, each page executed.

    ``nox -s docs -- --full`` does so with the full counts, and renews the README's pictures.
    """
    session.install(".[tensorflow,demo,docs]")
    env = {"KERAS_BACKEND": "tensorflow", "OPTOGRAM_GALLERY": "quick"}
    if "--full" in session.posargs:
        pictures = Path(__file__).parent / "docs" / "images"
        env |= {"OPTOGRAM_GALLERY": "full", "OPTOGRAM_PICTURES": str(pictures)}
    site = "build/site"
    session.run(
        *["sphinx-build", "-W", "--keep-going", "-n", "-E", "-q", "-j", "2"],
        *["-b", "html", "docs", site],
        env=env,
    )
    session.run("python", "docs/check_links.py", site)
