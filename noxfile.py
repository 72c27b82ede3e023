"""Every check of the project, each in an environment of its own: ``nox`` runs them all."""

import os
import shutil
from pathlib import Path

import nox

# uv makes an environment in seconds where pip takes a minute.
nox.options.default_venv_backend = "uv|venv"
nox.options.sessions = ["lint", "tests", "oldest", "docs"]

# uv does not compile what it installs. Without files of bytecode every process that imports Keras
# would: 20 seconds each, in kernels of pages, workers of pytest and processes of tests.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

OLDEST_KERAS = "3.12.0"
# Pinned: an open range would take whatever GPU build of PyTorch was released last.
BACKENDS = {"tensorflow": [], "jax": [], "torch": ["torch==2.13.0"]}
# Two at a time: a test keeps about one core busy. Each takes whole files, whose networks are then
# opened and compiled once, in the order of tests/conftest.py.
PYTEST = ["pytest", "--numprocesses", "2", "--dist", "loadfile", "--no-loadscope-reorder"]
COVERAGE = ["--cov", "optogram", "--cov-branch", "--cov-append", "--cov-report", ""]


def install(session: nox.Session, *packages: str) -> None:
    """Install ``packages``; uv looks where pip is told to, too."""
    env = {"UV_FIND_LINKS": os.environ["PIP_FIND_LINKS"]} if "PIP_FIND_LINKS" in os.environ else {}
    session.install(*packages, env=env)


def run_tests(session: nox.Session, backend: str, *options: str) -> None:
    """Run the tests that ``options`` choose, on ``backend``."""
    session.run(*PYTEST, *options, *session.posargs, env={"KERAS_BACKEND": backend})


def of_backend(backend: str) -> list[str]:
    """What is installed for the tests on the newest Keras and ``backend``."""
    # Where the work is done does not depend on the backend: one tries Ray and object storage.
    places = ",ray,s3" if backend == "tensorflow" else ""
    return [*BACKENDS[backend], f".[{backend},demo,test{places}]"]


def chosen(backend: str) -> list[str]:
    """Options that choose what depends on the backend; TensorFlow alone runs the rest."""
    return [] if backend == "tensorflow" else ["-m", "not once or each_backend"]


@nox.session
def lint(session: nox.Session) -> None:
    """Style, types and import rules."""
    install(session, "ruff==0.17.6", "mypy==2.4.1", "import-linter==2.16", ".[tensorflow]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("mypy")
    session.run("lint-imports", "--no-cache")
    # Debian's node-typescript; .ci/run installs it, and names it in OPTOGRAM_TSC.
    if tsc := os.environ.get("OPTOGRAM_TSC") or shutil.which("tsc"):
        for page in ("web/page", "reporting/atlas"):
            session.run(tsc, "--project", f"src/optogram/{page}/jsconfig.json", external=True)
    else:
        session.warn("The types of the pages' programs are not checked: install node-typescript.")


@nox.session
@nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))
def tests(session: nox.Session, backend: str) -> None:
    """The tests on the newest Keras, with one backend installed."""
    install(session, *of_backend(backend))
    run_tests(session, backend, *chosen(backend))


@nox.session
def oldest(session: nox.Session) -> None:
    """What touches the inside of Keras, on the oldest Keras that is supported."""
    install(session, f"keras=={OLDEST_KERAS}", ".[tensorflow,demo,test]")
    run_tests(session, "tensorflow", "-m", "keras_inside and not newest_keras")


@nox.session
@nox.parametrize("backend", [*BACKENDS, "oldest"], ids=[*BACKENDS, "oldest"])
def full(session: nox.Session, backend: str) -> None:
    """Every test on every backend and on the oldest Keras: hours; run before a release."""
    if backend == "oldest":
        install(session, f"keras=={OLDEST_KERAS}", ".[tensorflow,demo,test]")
        backend = "tensorflow"
    else:
        install(session, *of_backend(backend))
    run_tests(session, backend, "--full")


@nox.session
def coverage(session: nox.Session) -> None:
    """Lines and branches that the tests reach, per room, over all three backends together."""
    install(session, *BACKENDS["torch"], ".[tensorflow,jax,torch,demo,test]", "pytest-cov>=5.0")
    session.run("coverage", "erase")
    for backend in BACKENDS:
        run_tests(session, backend, *COVERAGE, *chosen(backend))
    session.run("coverage", "json", "-o", "build/coverage.json")
    session.run("python", "tests/coverage_by_room.py", "build/coverage.json")


@nox.session
def kerashub(session: nox.Session) -> None:
    """KerasHub's image models. Not run by default: keras-hub brings all of TensorFlow."""
    install(session, "keras-hub==0.32.0", ".[demo]")
    session.run(
        "python",
        "benchmarks/kerashub.py",
        *session.posargs,
        env={"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )


@nox.session
def web(session: nox.Session) -> None:
    """schemathesis over the explorer's HTTP API, for two minutes. Not run by default."""
    install(session, "schemathesis==4.32.5", ".[tensorflow,test]")
    script = "benchmarks/explorer_api.py"
    session.run("python", script, *session.posargs, env={"KERAS_BACKEND": "tensorflow"})


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, each page executed.

    ``nox -s docs -- --full`` does so with the full counts, and renews the README's pictures.
    """
    install(session, ".[tensorflow,demo,docs]")
    # Pages are executed three at a time, on one thread each, so that two cores are always busy.
    env = {
        "KERAS_BACKEND": "tensorflow",
        "OPTOGRAM_GALLERY": "quick",
        "TF_NUM_INTRAOP_THREADS": "1",
    }
    if "--full" in session.posargs:
        pictures = Path(__file__).parent / "docs" / "images"
        env |= {"OPTOGRAM_GALLERY": "full", "OPTOGRAM_PICTURES": str(pictures)}
    site = "build/site"
    session.run(
        *["sphinx-build", "-W", "--keep-going", "-n", "-E", "-q", "-j", "3"],
        *["-b", "html", "docs", site],
        env=env,
    )
    session.run("python", "docs/check_links.py", site)
