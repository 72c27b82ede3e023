"""`optogram train`: train a small network to look into."""

from pathlib import Path

import click

from optogram.cli.console import say, shown_progress
from optogram.cli.options.output import quiet_option
from optogram.cli.starting import start_backend

_SHOWN = 25


@click.command()
@click.option(
    "--out",
    metavar="FILE",
    default="fashion.keras",
    show_default=True,
    help="File for the network; the class names are saved next to it.",
)
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Folder with the four Fashion-MNIST files.  [default: Debian's package "
    "dataset-fashion-mnist, else Keras downloads it]",
)
@click.option("--epochs", default=20, show_default=True, help="Number of epochs.")
@click.option("--batch", default=128, show_default=True, help="Batch size.")
@click.option("--seed", default=0, show_default=True, help="Random seed.")
@click.option(
    "--pictures",
    metavar="FILE",
    help=f"Also draw the first {_SHOWN} training images with their classes.",
)
@quiet_option
def train(
    out: str, data: str | None, epochs: int, batch: int, seed: int, pictures: str | None
) -> None:
    """Train a small classifier on Fashion-MNIST.

    It opens without further options: optogram explain PHOTO --model fashion.keras. Files are
    written at the end; an interrupted run changes nothing. A previous network is kept as
    fashion.former.keras.
    """
    start_backend()
    from optogram import datasets, training
    from optogram.files import require_place
    from optogram.render import grid, write

    path = training.place_to_save(out, datasets.FashionMNIST.classes)
    is_there = path.exists()
    if pictures is not None:
        require_place(Path(pictures))
    clothes = datasets.fashion_mnist(data)
    if pictures is not None:
        labels = [clothes.classes[number] for number in clothes.train_labels[:_SHOWN]]
        write(grid(list(clothes.train_images[:_SHOWN]), columns=5, labels=labels), pictures)
        say(f"The first training images are in {pictures}.")
    with shown_progress() as progress:
        trained = training.train(clothes, epochs=epochs, batch=batch, seed=seed, progress=progress)
    trained.save(path)
    say(f"Test accuracy: {trained.accuracy:.2%}", f"The network is in {path}.")
    if is_there:
        say(f"The previous network is now {training.former(path)}.")
