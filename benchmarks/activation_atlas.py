"""How well an activation atlas separates the classes of Fashion-MNIST, against a random layout.

    optogram train --epochs 2
    python benchmarks/activation_atlas.py fashion.keras --layer activation_2 --photos 10000

The purity of a grid is the share of its samples, in cells with at least 5, whose true class is the
most frequent one in their cell. The random layout gives the same samples to cells of the same
sizes at random. No icons are made, unless --out asks for the picture of a grid.
"""

import argparse
import time

import numpy as np

import optogram as og
from optogram.graph.steps import Output
from optogram.methods.mapping.layout import cells_of, laid_out
from optogram.methods.mapping.samples import Sampler, random_positions


def purity(members: list[np.ndarray], truth: np.ndarray) -> float:
    """The share of samples whose class is the most frequent one in their cell."""
    most = sum(np.bincount(truth[own]).max() for own in members)
    return most / sum(map(len, members))


def main() -> None:
    """Print seconds, and the purity of each grid beside that of a random layout."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--layer", required=True)
    parser.add_argument("--photos", type=int, default=10_000)
    parser.add_argument("--grids", default="10,20,40")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", help="also make the whole atlas, and save it as this .npz file")
    parser.add_argument("--steps", type=int, default=100, help="steps of the icons of --out")
    given = parser.parse_args()
    net = og.load(given.model)
    data = og.datasets.fashion_mnist()
    pictures, truth = data.train_images[: given.photos], data.train_labels[: given.photos]
    grids = tuple(map(int, given.grids.split(",")))

    begun = time.perf_counter()
    place = random_positions(1, given.seed)
    sampler = Sampler(net, Output(net.step(given.layer).index), "stretch", place, None)
    samples = sampler.of_list(list(pictures), None, lambda *_: None)
    read = time.perf_counter()
    plane = laid_out(samples.activations, given.seed)
    done = time.perf_counter()
    count, channels = samples.activations.shape
    print(
        f"{given.layer}: {count:,} samples of {channels} channels; "
        f"{read - begun:.1f} s for photos ({count / (read - begun):,.0f}/s), "
        f"{done - read:.1f} s for the layout"
    )
    generator = np.random.default_rng(given.seed)
    for grid in grids:
        members = cells_of(plane, (grid,), 5).members
        ends = np.cumsum([len(own) for own in members])
        shuffled = np.split(generator.permutation(np.concatenate(members)), ends[:-1])
        print(
            f"{grid}×{grid}: {len(members)} cells, {ends[-1]:,} samples, purity "
            f"{purity(members, truth):.3f}, random layout {purity(shuffled, truth):.3f}"
        )
    if given.out:
        begun = time.perf_counter()
        atlas = og.activation_atlas(
            net,
            given.layer,
            list(pictures),
            grids=grids,
            seed=given.seed,
            steps=given.steps,
        )
        atlas.save(given.out)
        of_class = atlas.cell_grids == grids[0]
        right = [
            atlas.classes[cell] == np.bincount(truth[atlas.sampled[own[own >= 0]]]).argmax()
            for cell, own in enumerate(atlas.members)
        ]
        print(
            f"whole atlas: {time.perf_counter() - begun:.1f} s, {len(atlas.values)} icons of "
            f"{atlas.icons.shape[1]} pixels, {given.steps} steps; the class by gradient is the "
            f"most frequent true class of the listed members in {np.mean(right):.1%} of cells "
            f"({np.mean(np.array(right)[of_class]):.1%} of the coarsest grid)"
        )


if __name__ == "__main__":
    main()
