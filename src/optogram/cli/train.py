"""`optogram train`: a small network of one's own to look into."""

from pathlib import Path

import click

from optogram.cli.console import say
from optogram.cli.options.network import start_backend
from optogram.cli.progress import progress_bar

_SHOWN = 25


@click.command()
@click.option(
    "--out",
    metavar="FILE",
    default="fashion.keras",
    show_default=True,
    help="Where the network is saved; the names of its classes go beside it.",
)
@click.option(
    "--data",
    metavar="DIR",
    help="A folder with the four files of Fashion-MNIST.  [default: Debian's package "
    "dataset-fashion-mnist, else Keras downloads it]",
)
@click.option(
    "--epochs", default=20, show_default=True, help="How often it sees every training picture."
)
@click.option("--batch", default=128, show_default=True, help="How many pictures make a step.")
@click.option("--seed", default=0, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--pictures",
    metavar="FILE",
    help=f"Also draw the first {_SHOWN} training pictures with their classes.",
)
def train(
    out: str, data: str | None, epochs: int, batch: int, seed: int, pictures: str | None
) -> None:
    """Train a small network to tell clothes apart, on the pictures of Fashion-MNIST.

    It opens with no further options: optogram explain PHOTO --model fashion.keras. Files are
    written at the end; interrupted, everything is as it was before. A network trained before is
    kept as fashion.former.keras.
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
        say(f"The first training pictures are in {pictures}.")
    with progress_bar() as progress:
        trained = training.train(clothes, epochs=epochs, batch=batch, seed=seed, progress=progress)
    trained.save(path)
    say(f"Test accuracy: {trained.accuracy:.2%}", f"The network is in {path}.")
    if is_there:
        say(f"The one that was there before is in {training.former(path)}.")
