"""Options that choose a network, and opening it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from optogram.cli.advice import in_options
from optogram.cli.completing.models import is_file, remember
from optogram.cli.console import say
from optogram.cli.options.code import defined_in, require_code
from optogram.cli.options.parsing import constant_input
from optogram.cli.starting import start_backend

if TYPE_CHECKING:
    from optogram.network.network import Network

DEFAULT = "efficientnet-lite0"


def network_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of `open_network`, except the model itself."""
    for option in reversed(
        (
            click.option(
                "--weights",
                metavar="imagenet|random|FILE",
                help="Weights of a network given by name; random weights are reproducible.  "
                "[default: imagenet]",
            ),
            click.option(
                "--preprocess",
                type=click.Choice(["caffe", "tf", "torch", "unit", "lite", "none"]),
                help="Preprocessing of pixels; unit: 0…1.  [default: from the network]",
            ),
            click.option(
                "--resample",
                type=click.Choice(["lanczos", "bilinear", "nearest", "area"]),
                help="How photos are resized; bilinear is what image_dataset_from_directory of "
                "Keras trains on.  [default: from the preset, else lanczos]",
            ),
            click.option(
                "--labels",
                metavar="FILE",
                help="Class names: a text file with one per line, or a .json file.",
            ),
            click.option(
                "--input",
                metavar="NAME",
                help="Name of the image input, if there are several inputs.",
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
                help="Name of the output to explain, if there are several.",
            ),
            click.option(
                "--trust",
                is_flag=True,
                help="Also open model files that contain code. The code runs on this machine "
                "with your rights: use only with files from people you trust.",
            ),
            click.option(
                "--code",
                metavar="FILE.py",
                help="Python file that defines the custom layers of the model; it is run before "
                "the model is opened. Needs --trust.",
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
        help="Classifier of keras.applications by name, or a .keras or .h5 file.",
    )(command)


def fit_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--fit``."""
    return click.option(
        "--fit",
        type=click.Choice(["stretch", "crop", "pad"]),
        default="stretch",
        show_default=True,
        help="How photos are brought to the input size: stretch, crop the center, or pad.",
    )(command)


NETWORK_OPTIONS = (
    "weights",
    "preprocess",
    "resample",
    "labels",
    "input",
    "fixed",
    "output",
    "trust",
    "code",
)
"""Names of the options that `network_options` adds."""


def open_network(
    model: str,
    weights: str | None,
    preprocess: str | None,
    resample: str | None,
    labels: str | None,
    input: str | None,
    fixed: tuple[str, ...],
    output: str | None,
    trust: bool,
    code: str | None,
) -> "Network":
    """Open the network that the options choose; print its warnings on standard error.

    What can be wrong is found before the backend is imported, as far as possible.
    """
    _require_given(model, weights, labels)
    require_code(code, is_trusted=trust, is_file=is_file(model))
    constants = dict(map(constant_input, fixed))
    start_backend(runs_code=code is not None)
    from optogram import load  # raises where there is no backend

    if weights == "random":
        import keras

        keras.utils.set_random_seed(0)  # the same ones at every call: long work can go on
    net = load(
        model,
        weights=None if weights == "random" else weights or "imagenet",
        preprocess=preprocess,
        resample=resample,
        labels=labels,
        input=input,
        fixed=constants,
        output=output,
        trust=trust,
        custom_objects=None if code is None else defined_in(code),
    )
    remember(model, {layer.name: layer.kind for layer in net.layers})
    for warning in net.warnings:
        say(f"Warning: {in_options(warning)}", err=True)
    return net


def _require_given(model: str, weights: str | None, labels: str | None) -> None:
    """Check that the model, its weights and its labels are there, without importing Keras."""
    from optogram.errors import ModelError
    from optogram.files import kind_at
    from optogram.network.labels import read_labels
    from optogram.network.opening.named import is_model_file, require_model

    require_model(model)
    if weights is not None and is_model_file(model):
        raise click.UsageError(
            f"--weights is for models given by name; the file {model!r} has weights of its own: "
            "leave --weights out."
        )
    if weights not in (None, "imagenet", "random") and kind_at(Path(weights)) != "file":
        raise ModelError(
            f"No weights file {weights}: give the path of one, --weights imagenet or --weights "
            "random."
        )
    if labels is not None:
        read_labels(labels)


def require_folder(name: str) -> None:
    """Check that `made_folder` can make the folder ``name``, without making it.

    Raises
    ------
    OutputError
        If it cannot be created, or not be written to.
    """
    from optogram.errors import OutputError
    from optogram.files import kind_at

    folder = Path(name)
    there = next((path for path in (folder, *folder.parents) if kind_at(path) != "nothing"), None)
    if there == folder and kind_at(folder) != "folder":
        raise OutputError(f"{name} is a file: give the name of a folder.")
    if there is not None and kind_at(there) != "folder":
        raise OutputError(f"{name} cannot be created: {there} is not a folder.")
    if there is not None and not os.access(there, os.W_OK):
        raise OutputError(f"{name} cannot be written: {there} is not writable.")


def made_folder(name: str) -> Path:
    """The folder ``name``, created if missing.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    from optogram.errors import OutputError

    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise OutputError(f"{name} is a file: give the name of a folder.") from None
    except OSError as error:
        raise OutputError(f"{name} cannot be created: {error.strerror or error}.") from error
    return folder
