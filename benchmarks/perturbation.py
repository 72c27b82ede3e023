"""Ablation-CAM beside whole forward passes, and how soon maps of random masks converge.

``KERAS_BACKEND=tensorflow python benchmarks/perturbation.py ablation``
``KERAS_BACKEND=tensorflow python benchmarks/perturbation.py convergence chelsea --method rise``

``ablation`` times `og.ablationcam`, which runs what lies behind the layer for each of its maps,
side by side with whole forward passes through a compiled model in which one map is zeroed by a
product. Whole passes go through a sample of the maps, and their time is scaled up to all;
scores are compared. Weights are random and seeded.

``convergence`` takes all masks with two seeds, looks at the map as the method itself does, and says
for some numbers of masks: the error that the result would report, the share of the range that it
is, and how the map correlates with the last one of the other seed (Pearson, Spearman), which is
independent of it. Below that: after how many masks the method stops for each tolerance, and the
correlations then. PHOTO is the name of a sample photo, or a path.
"""

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import keras
import numpy as np
from occlusion import Taken, median, seconds

import optogram as og
from optogram.methods.masking.converging import relative_error
from optogram.methods.masking.random_grids import RandomGrids
from optogram.methods.masking.sobol_indices import SobolDesign
from optogram.methods.masking.subsets import LimeSubsets, ShapleySubsets

DESIGNS = {
    "rise": RandomGrids,
    "sobol": SobolDesign,
    "kernel_shap": ShapleySubsets,
    "lime": LimeSubsets,
}
COUNTS = (512, 1024, 2048, 4000)


# -- Ablation-CAM ----------------------------------------------------------------------------------


def split(layer: str) -> tuple[keras.Model, keras.Model]:
    """VGG16 with logits, and the same with a factor for each map of ``layer`` beside the image."""
    keras.utils.set_random_seed(0)
    whole = keras.applications.VGG16(weights=None, classifier_activation=None)
    x = image = keras.Input(whole.input_shape[1:])
    for step in whole.layers[1:]:
        x = step(x)
        if step.name == layer:
            kept = keras.Input((x.shape[-1],))
            x = x * keras.ops.reshape(kept, (-1, 1, 1, x.shape[-1]))
    return whole, keras.Model([image, kept], x)


def ablation(arguments: argparse.Namespace) -> None:
    """Print how much faster, and how much the scores without a map differ."""
    module = import_module("optogram.methods.ablationcam")
    model, ablated = split(arguments.layer)
    net = og.Network(model, preprocess="caffe")
    x = net.prepare(og.datasets.sample_photo())
    target = int(net.scores(x).argmax())
    count, batch = model.get_layer(arguments.layer).output.shape[-1], arguments.batch
    sample = np.arange(0, count, max(count // arguments.sample, 1))
    scores: list[np.ndarray] = []

    def kept(found: np.ndarray, weights: Any = module._weights) -> Any:
        scores.append(found[0])
        return weights(found)

    def suffix() -> None:
        og.ablationcam(net, x, target, arguments.layer, memory=arguments.memory)

    def whole(numbers: np.ndarray = sample) -> np.ndarray:
        factors = np.ones((len(numbers), count), np.float32)
        factors[np.arange(len(numbers)), numbers] = 0
        images = np.repeat(x, len(numbers), axis=0)
        return ablated.predict([images, factors], batch_size=batch, verbose=0)[:, target]

    with patch.object(module, "_weights", kept):
        suffix()
    expected = whole()  # both are compiled now
    differ = np.abs(scores[0][1:][sample] - expected).max() / np.abs(scores[0][0] - expected).max()
    times: dict[str, list[Taken]] = {"suffix": [], "whole": []}
    for _ in range(arguments.rounds):
        times["suffix"].append(seconds(suffix))
        times["whole"].append(seconds(whole, count / len(sample)))
        one, all_of_it = (times[name][-1] for name in ("suffix", "whole"))
        print(
            f"{arguments.layer}: suffix {one.wall:6.2f} s, whole passes {all_of_it.wall:6.2f} s, "
            f"of {len(sample)} of {count} maps: {all_of_it.wall / one.wall:5.1f}×",
            flush=True,
        )
    one, all_of_it = (median(times[name]) for name in ("suffix", "whole"))
    print(
        f"medians: {all_of_it.wall / one.wall:.1f}× ({all_of_it.processor / one.processor:.1f}× in "
        f"processor time); scores differ by {differ:.1e} of the largest drop"
    )


# -- Convergence -----------------------------------------------------------------------------------


class Look(NamedTuple):
    """A map, as it was after some masks."""

    masks: int
    values: np.ndarray
    error: np.ndarray

    @property
    def relative(self) -> float:
        """The `relative_error` of a result with this map."""
        return relative_error(self.values, self.error)


def looks(net: og.Network, x: np.ndarray, method: str, **options: Any) -> list[Look]:
    """The map at each number of masks at which the method looks at it."""
    found: list[Look] = []
    design = DESIGNS[method]
    estimate = design.estimate

    def kept(self: Any, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, error = estimate(self, targets)
        found.append(Look(self.ends[len(found)], values[0].copy(), error[0].copy()))
        return values, error

    with patch.object(design, "estimate", kept):
        getattr(og, method)(net, x, tolerance=0, **options)
    return found


def correlations(values: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Pearson and Spearman."""
    from scipy.stats import spearmanr

    pair = values.ravel(), other.ravel()
    return float(np.corrcoef(*pair)[0, 1]), float(spearmanr(*pair).statistic)


def nearest(run: Sequence[Look], masks: int) -> Look:
    """The first look with at least so many masks, or the last."""
    return next((look for look in run if look.masks >= masks), run[-1])


def rows(runs: Sequence[Sequence[Look]], arguments: argparse.Namespace) -> Iterator[str]:
    """Two tables: by number of masks, and by tolerance."""
    last = [run[-1] for run in runs][::-1]  # of the other seed

    def shown(chosen: Sequence[Look]) -> str:
        like = [
            correlations(look.values, other.values)
            for look, other in zip(chosen, last, strict=True)
        ]
        masks = "/".join(str(look.masks) for look in chosen)
        error = statistics.mean(float(look.error.mean()) for look in chosen)
        relative = statistics.mean(look.relative for look in chosen)
        pearson, spearman = (statistics.mean(column) for column in zip(*like, strict=True))
        return f"{masks:>11} {error:10.4f} {relative:9.2f} {pearson:8.3f} {spearman:9.3f}"

    heads = "      masks      error  relative  Pearson  Spearman"
    yield f"          {heads}"
    for masks in arguments.masks:
        chosen = [nearest(run, masks) for run in runs]
        yield f"          {shown(chosen)}"
    for tolerance in arguments.tolerances:
        chosen = [
            next((look for look in run if look.relative <= tolerance), run[-1]) for run in runs
        ]
        reached = all(look.relative <= tolerance for look in chosen)
        yield f"tol. {tolerance:4.2f} {shown(chosen)}{'' if reached else '  not reached'}"


def convergence(arguments: argparse.Namespace) -> None:
    """Print the tables of each photo and method."""
    net = og.load(arguments.model)
    options = {"score": arguments.score, "memory": arguments.memory}
    if arguments.most:
        options["masks"] = arguments.most
    for photo in arguments.photos:
        x = net.prepare(photo if Path(photo).suffix else og.datasets.sample_photo(photo))
        for method in arguments.method:
            begun = time.perf_counter()
            more = {"segments": arguments.segments} if method in ("kernel_shap", "lime") else {}
            runs = [looks(net, x, method, seed=seed, **options, **more) for seed in (0, 1)]
            taken = time.perf_counter() - begun
            print(f"{method}, {Path(photo).stem}, {arguments.score} ({taken:.0f} s)")
            print(*rows(runs, arguments), sep="\n", flush=True)


def main() -> None:
    """Print tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    commands = parser.add_subparsers(required=True)
    one = commands.add_parser("ablation", help="Ablation-CAM of VGG16 beside whole passes")
    one.add_argument("--layer", default="block5_conv3")
    one.add_argument("--batch", type=int, default=32, help="images in a whole pass")
    one.add_argument("--sample", type=int, default=64, help="maps that whole passes go through")
    one.add_argument("--rounds", type=int, default=3)
    one.add_argument("--memory", default="1GB")
    one.set_defaults(run=ablation)
    one = commands.add_parser("convergence", help="errors and correlations by number of masks")
    one.add_argument("photos", nargs="+", metavar="PHOTO")
    one.add_argument("--method", nargs="+", choices=DESIGNS, default=["rise"])
    one.add_argument("--model", default="efficientnet-lite0")
    one.add_argument("--segments", type=int, default=64, help="for KernelSHAP and LIME")
    one.add_argument("--most", type=int, help="masks in all; the default is the method's")
    one.add_argument("--masks", type=int, nargs="+", default=COUNTS, help="those to show")
    one.add_argument("--tolerances", type=float, nargs="+", default=(0.1, 0.2, 0.3, 0.5))
    one.add_argument("--score", default="logit", choices=("logit", "probability"))
    one.add_argument("--memory", default="1GB")
    one.set_defaults(run=convergence)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
