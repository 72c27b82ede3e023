"""How much faster occlusion is on windows than by whole forward passes, side by side in one run.

``KERAS_BACKEND=jax python benchmarks/occlusion.py vgg16 resnet50v2 --patch 16 --stride 8``

Each round times `og.occlusion` at all positions, then whole forward passes in batches over a
sample of the positions (their time is scaled up to all), then, with ``--document``, one `predict`
a position over a smaller sample. Normalizations are set to the photo, so that random weights let
something through. ``bound`` is what counting operations alone would allow, with windows clipped at
the border, ``share`` how much of that is reached in processor time, ``differ`` the largest
difference of scores over the range of the map. ``--probe`` times single probes, ``--progressive``
how long maps take that come one after the other, how like the exact one they are (scikit-image's
SSIM, window 7, data range of the exact map), and how many cells are within the error that they say;
``--precision fast``, in bfloat16.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from catalogue import set_normalizations

import optogram as og
from optogram.interpreters.reach import reach
from optogram.interpreters.windowed.spans import Spans
from optogram.methods.occluding.covering import Patches

SAMPLE, DOCUMENT_SAMPLE, PROBES = 64, 8, 60


def network(name: str) -> og.Network:
    """The embedded default with its own weights, a saved model, or seeded random weights."""
    if name == "efficientnet-lite0" or Path(name).suffix:
        return og.load(name)
    keras.utils.set_random_seed(0)
    return og.load(name, weights=None)


def bound(net: og.Network, patches: Patches) -> float:
    """Operations of whole forward passes over those of windows clipped at the border."""
    geometry, graph = net.geometry(net.nominal_size), net.graph
    spans: dict[int, tuple[Spans, Spans]] = {}
    whole = windowed = 0.0
    for index in sorted(graph.ancestors([net.head.logits])):
        step, made = graph.steps[index], geometry[index]
        whole += made.flops
        ratio = 1.0
        if step.index == graph.inputs[0].step:
            rows, columns = (
                Spans(places[:, 0], places[:, 1], side)
                for places, side in zip(
                    (patches.rows, patches.columns), net.nominal_size, strict=True
                )
            )
            spans[index] = rows, columns
        elif all(value.step in spans for value in step.inputs):
            found = reach(step, [geometry[value.step].shape for value in step.inputs], made.shape)
            if found is not None:
                rows, columns = (
                    [spans[v.step][axis].through(found[axis], made.shape[1 + axis] or 0)
                     for v in step.inputs]
                    for axis in (0, 1)
                )  # fmt: skip
                spans[index] = rows[0].united(rows[1:]), columns[0].united(columns[1:])
                ratio = float(np.prod([s.lengths.mean() / s.side for s in spans[index]]))
        windowed += made.flops * ratio
    return whole / windowed


class Taken(NamedTuple):
    """How long something took: on the wall, and of all cores together."""

    wall: float
    processor: float


def seconds(work: Callable[[], Any], times: float = 1) -> Taken:
    """How long ``work`` takes, ``times`` as often as it is done."""
    start, busy = time.perf_counter(), time.process_time()
    work()
    return Taken(times * (time.perf_counter() - start), times * (time.process_time() - busy))


def median(taken: list[Taken]) -> Taken:
    """Of both, each by itself."""
    return Taken(*(statistics.median(column) for column in zip(*taken, strict=True)))


def compare(net: og.Network, x: np.ndarray, arguments: argparse.Namespace) -> str:
    """One row: how much faster, and how much it differs."""
    patches = Patches(net.nominal_size, arguments.patch, arguments.stride, arguments.margin)
    options = {
        "patch": arguments.patch,
        "stride": arguments.stride,
        "margin": arguments.margin,
        "memory": arguments.memory,
    }
    places = patches.places
    rng = np.random.default_rng(0)
    sample = np.sort(rng.permutation(len(places))[:SAMPLE])
    gray = net.preparation.to_network(np.full((1, 1, 1, x.shape[3]), 127.5, np.float32))

    def covered(numbers: np.ndarray) -> np.ndarray:
        pictures = np.repeat(x, len(numbers), axis=0)
        for picture, (row, column) in zip(pictures, places[numbers], strict=True):
            picture[slice(*patches.rows[row]), slice(*patches.columns[column])] = gray
        return pictures

    pictures = covered(sample)

    def whole_passes() -> np.ndarray:
        return net.evaluate(pictures, [net.head.logits], arguments.memory)[0]

    def one_by_one() -> None:
        for picture in pictures[:DOCUMENT_SAMPLE]:
            net.model.predict(picture[None], verbose=0)

    found = og.occlusion(net, x, **options)  # compiles
    target = og.Class(int(net.scores(x).argmax()))
    logits = whole_passes()
    scores = logits[:, target.label]
    differ = np.abs(found.scores.reshape(-1)[sample] - scores).max() / np.ptp(found.values)
    times: dict[str, list[Taken]] = {"windows": [], "whole": [], "document": []}
    more = len(places) / len(sample)
    for _ in range(arguments.rounds):
        times["windows"].append(seconds(lambda: og.occlusion(net, x, **options)))
        times["whole"].append(seconds(whole_passes, more))
        if arguments.document:
            times["document"].append(seconds(one_by_one, len(places) / DOCUMENT_SAMPLE))
    medians = {name: median(taken) for name, taken in times.items() if taken}

    def faster(name: str) -> Taken:
        return Taken(*(a / b for a, b in zip(medians[name], medians["windows"], strict=True)))

    limit, gain = bound(net, patches), faster("whole")
    row = (
        f"{net.name:20} {len(places):5} positions {medians['windows'].wall:7.2f} s, whole "
        f"{medians['whole'].wall:7.2f} s: {gain.wall:5.2f}× ({gain.processor:5.2f}× in processor "
        f"time), bound {limit:5.2f}×, share {gain.processor / limit:4.2f}, differ {differ:.1e}"
    )
    if arguments.document:
        row += f", {faster('document').wall:6.2f}× the document's loop"
    return row


def probes(net: og.Network, x: np.ndarray, arguments: argparse.Namespace) -> str:
    """One row: how long a probe takes, and a whole forward pass beside it."""
    probe = og.occlusion_probe(net, x, patch=arguments.patch, memory=arguments.memory)
    rng = np.random.default_rng(0)
    places = [rng.integers(0, side - arguments.patch, PROBES) for side in net.nominal_size]
    probe(0, 0)
    net.scores(x)
    taken, whole = [], []
    for y, left in zip(*places, strict=True):
        taken.append(1000 * seconds(lambda y=y, left=left: probe(int(y), int(left))).wall)
        whole.append(1000 * seconds(lambda: net.scores(x)).wall)
    return (
        f"{net.name:20} one probe {statistics.median(taken):6.1f} ms (95th percentile "
        f"{np.percentile(taken, 95):6.1f}), a whole forward pass {statistics.median(whole):6.1f} ms"
    )


def progressive(net: og.Network, photo: str, arguments: argparse.Namespace) -> str:
    """A table for one photo: cells, time and likeness of each map."""
    from skimage.metrics import structural_similarity

    x = net.prepare(photo)
    options = {"patch": arguments.patch, "stride": arguments.stride, "memory": arguments.memory}
    exact = og.occlusion(net, x, **options).values[0]
    options["precision"] = arguments.precision
    for _ in og.progressive_occlusion(net, x, **options):
        pass  # compiles
    batch = np.repeat(x, 32, axis=0)
    net.scores(batch)
    each = median([seconds(lambda: net.scores(batch)) for _ in range(3)]).wall / len(batch)
    times, maps = [], []
    start = time.perf_counter()
    for result in og.progressive_occlusion(net, x, **options):
        times.append(time.perf_counter() - start)
        maps.append(result)
    whole = each * exact.size
    like = [
        structural_similarity(exact, result.values[0], win_size=7, data_range=np.ptp(exact))
        for result in maps
    ]
    cells = [
        f"{100 * (1 - share_interpolated(result)):3.0f} % {whole / taken:5.1f}× {likeness:.2f} "
        f"{100 * np.mean(np.abs(result.values[0] - exact) <= result.error[0] + 1e-5):.0f} %"
        for taken, result, likeness in zip(times, maps, like, strict=True)
    ]
    named = (
        f"{Path(photo).stem:12} whole {whole:6.1f} s; cells, faster, SSIM, within the error said: "
    )
    return named + "; ".join(cells)


def share_interpolated(result: og.Occlusion) -> float:
    """The share of the cells that are interpolated, as the warning of the map says."""
    said = [warning for warning in result.warnings if "are interpolated" in warning]
    return 1 - float(said[0].split(" %")[0]) / 100 if said else 0.0


def main() -> None:
    """Print a line for each network, and for each photo."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("networks", nargs="+")
    parser.add_argument("--patch", type=int, default=16)
    parser.add_argument("--stride", type=int, default=8)
    parser.add_argument("--margin", type=int, default=0)
    parser.add_argument("--memory", default="4GB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--document", action="store_true", help="time one predict a position too")
    parser.add_argument("--probe", action="store_true", help="time single probes instead")
    parser.add_argument("--precision", default="exact", help="of these maps: exact or fast")
    parser.add_argument("--progressive", nargs="+", metavar="PHOTO", help="maps of these instead")
    arguments = parser.parse_args()
    for name in arguments.networks:
        net = network(name)
        x = net.prepare(og.datasets.sample_photo())
        if name != "efficientnet-lite0":
            set_normalizations(net.model, x)
        if arguments.progressive:
            lines = [progressive(net, photo, arguments) for photo in arguments.progressive]
        else:
            lines = [(probes if arguments.probe else compare)(net, x, arguments)]
        print(*lines, sep="\n", flush=True)


if __name__ == "__main__":
    main()
