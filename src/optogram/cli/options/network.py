"""The options that say which network, and opening it."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.console import say
from optogram.cli.options.parsing import constant_input

if TYPE_CHECKING:
    from optogram.network.network import Network

DEFAULT = "efficientnet-lite0"


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that `open_network` takes, but for the model itself."""
    for option in reversed(
        (
            click.option(
                "--weights",
                metavar="imagenet|random|FILE",
                default="imagenet",
                show_default=True,
                help="The weights of a network given by name; random ones are the same each time.",
            ),
            click.option(
                "--preprocess",
                metavar="NAME",
                help="What pixels become before they are fed: caffe, tf, torch, unit (0…1), lite "
                "or none.  [default: what the network is known to need]",
            ),
            click.option(
                "--labels",
                metavar="FILE",
                help="The names of the classes, one a line, or a .json file.",
            ),
            click.option(
                "--input",
                metavar="NAME",
                help="Which of several inputs is the picture.",
            ),
            click.option(
                "--fixed",
                metavar="NAME=NUMBERS|FILE.npy",
                multiple=True,
                help="Constant value of another input, such as age=40 or box=0.1,0.9; repeatable.",
            ),
            click.option(
                "--output",
                metavar="NAME",
                help="Which of several outputs is explained.",
            ),
            click.option(
                "--trust",
                is_flag=True,
                help="Also open a model file that holds code of its own. That code runs on this "
                "machine with your rights: only for files from people you trust.",
            ),
        )
    ):
        command = option(command)
    return command


def model_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--model``."""
    return click.option(
        "--model",
        metavar="NAME|FILE",
        default=DEFAULT,
        show_default=True,
        help="A classifier of keras.applications by name, or a .keras or .h5 file.",
    )(command)


def fit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--fit``."""
    return click.option(
        "--fit",
        type=click.Choice(["stretch", "crop", "pad"]),
        default="stretch",
        show_default=True,
        help="How a photo becomes as large as the network takes.",
    )(command)


NETWORK_OPTIONS = ("weights", "preprocess", "labels", "input", "fixed", "output", "trust")
"""What `network_options` adds, as `open_network` takes it."""


def open_network(
    model: str,
    weights: str,
    preprocess: str | None,
    labels: str | None,
    input: str | None,
    fixed: tuple[str, ...],
    output: str | None,
    trust: bool,
) -> "Network":
    """The network that the options name; what it wants known goes to standard error."""
    start_backend()
    from optogram import load  # raises where there is no backend

    if weights == "random":
        import keras

        keras.utils.set_random_seed(0)  # the same ones at every call: long work can go on
    net = load(
        model,
        weights=None if weights == "random" else weights,
        preprocess=preprocess,
        labels=labels,
        input=input,
        fixed=dict(map(constant_input, fixed)),
        output=output,
        trust=trust,
    )
    for warning in net.warnings:
        say(f"Warning: {warning}", err=True)
    return net


def matching_layers(net: "Network", layers: tuple[str, ...]) -> list[str]:
    """The layers named, patterns replaced by those that make maps and match.

    A layer may be called as a pattern is written: its own name goes first.
    """
    found: dict[str, None] = {}
    names = {step.name for step in net.graph.steps}
    for name in layers:
        if name in names or not set("*?[") & set(name):
            found[name] = None
            continue
        matching = [
            layer.name
            for layer in net.layers
            if fnmatchcase(layer.name, name) and len(layer.output_shape) == 4
        ]
        if not matching:
            raise click.BadParameter(f"No layer that makes maps is called {name!r}.")
        found.update(dict.fromkeys(matching))
    return list(found)


def made_folder(name: str) -> Path:
    """The folder ``name``, made where it is missing.

    Raises
    ------
    OutputError
        If it cannot be made.
    """
    from optogram.errors import OutputError

    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{name} is taken by a file: give the name of a folder.") from None
    except OSError as error:
        raise OutputError(f"{name} cannot be made: {error.strerror or error}.") from error
    return folder


def start_backend() -> None:
    """Import Keras on a backend that is installed, without the backend's own chatter."""
    from optogram import backend

    notice = backend.fall_back()
    if notice:
        say(notice, err=True)
    backend_is_known = backend.configured() in backend.NAMES
    if backend_is_known and backend.is_installed(backend.configured()):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        with _standard_error_kept_back():
            backend.current()


@contextmanager
def _standard_error_kept_back() -> Iterator[None]:
    """Hold back what libraries write to standard error; let it out if they raise.

    TensorFlow writes from C++ before any setting of its own takes effect.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        original = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            kept.seek(0)
            os.write(original, kept.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
