"""Every network that opens by name, looked into in every way: does it work, how long, how much.

``KERAS_BACKEND=tensorflow python benchmarks/catalogue.py --out catalogue.jsonl``

Weights are random and seeded, and batch normalizations are set to the photo, a cat: as they are
made they let signals fade, to 1e-19 at the end of MobileNet. Each network has a process of its own,
and so its own peak of memory; one that crashes stops no other. Each leaves a line of JSON in the
file: run the same command again after an interruption, and it goes on with those that have none.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import optogram as og
from optogram.backend import configured, title
from optogram.network.opening import catalogue

PARTS = ("opening", "geometry", "Grad-CAM", "saliency", "guided", "pattern")
PATTERN_STEPS = 4
FILTERS_TRIED = 8
_REPLAYED = 1e-5
"""Of the largest value: backends sum in another order when they compile another program."""


class Stopwatch:
    """Keeps how long each part took: seconds on the wall, and of all cores together."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.processor_seconds: dict[str, float] = {}

    def time(self, part: str, work: Callable[[], Any]) -> Any:
        """What ``work`` returns."""
        begun, begun_working = time.perf_counter(), time.process_time()
        result = work()
        self.seconds[part] = round(time.perf_counter() - begun, 2)
        self.processor_seconds[part] = round(time.process_time() - begun_working, 2)
        return result


def look_into(name: str) -> dict[str, Any]:
    """Everything that the table says of the network called ``name``."""
    import keras

    known = {"network": name, "backend": keras.config.backend(), "keras": keras.__version__}
    keras.utils.set_random_seed(0)
    clock, photo = Stopwatch(), og.datasets.sample_photo("chelsea")
    try:
        net = clock.time("opening", lambda: og.load(name, weights=None))
    except og.OptogramError as refusal:
        return {**known, "refusal": str(refusal)}
    x = net.prepare(photo)
    set_normalizations(net.model, x)
    geometry = clock.time("geometry", lambda: net.geometry(net.nominal_size))
    layer, maximize = net.default_layer, partial(og.maximize, net, steps=PATTERN_STEPS)
    results = {
        "Grad-CAM": clock.time("Grad-CAM", lambda: og.gradcam(net, photo)),
        "saliency": clock.time("saliency", lambda: og.saliency(net, photo)),
        "guided": clock.time("guided", lambda: og.guided_backprop(net, photo)),
    }
    for number in range(FILTERS_TRIED):
        target = og.Filter(layer, number)
        with contextlib.suppress(og.NoGradientError):
            results["pattern"] = clock.time("pattern", partial(maximize, target))
            break
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    difference = replay_difference(net, x)
    return {
        **known,
        "parameters": net.model.count_params(),
        "size": net.nominal_size,
        "steps": len(net.graph.steps),
        "flops": sum(step.flops for step in geometry.values()),
        "default layer": layer,
        "maps": net.map_layers()[layer],
        "seconds": clock.seconds,
        "processor seconds": clock.processor_seconds,
        "peak memory": peak,
        "replay difference": difference,
        "filter": number,
        "remarks": [*remarks(results, number, difference)],
    }


def set_normalizations(model: Any, x: np.ndarray) -> None:
    """Give the batch normalizations the statistics of ``x``, as training would in the end."""
    import keras

    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    if norms:
        model(x, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def replay_difference(net: og.Network, x: np.ndarray) -> float:
    """How far the steps are from the model's own call, as a part of the largest value.

    Compared are the answer and what the last layer reads: random weights answer nearly the same
    for all classes.
    """
    import keras

    last = net.model.layers[-1]
    (read,) = (
        step.inputs[0]
        for step in net.graph.steps
        if step.operation is last and step.half != "activation"
    )
    model = keras.Model(net.model.input, [last.input, net.model.output])
    expected = net.run("the model itself", lambda: partial(model, training=False), [x])
    replayed = net.evaluate(x, [read, net.head.output])
    return max(
        float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        for ours, theirs in zip(replayed, expected, strict=True)
    )


def remarks(results: dict[str, og.Result], number: int, difference: float) -> Iterator[str]:
    """What is wrong, in words: nothing where every map is finite and says something.

    ``number`` is that of the filter whose pattern was made.
    """
    if "pattern" not in results:
        yield f"no gradient for the filters 0 to {number}: these weights let none of them fire"
    elif number:
        yield f"the pattern is of filter {number}: these weights never let those before it fire"
    if not difference <= _REPLAYED:
        yield f"the replay is {difference:.1e} of the largest value off the model's own call"
    for part, result in results.items():
        if not np.isfinite(result.values).all():
            yield f"{part} is not finite"
        elif not result.values.any():
            yield f"{part} is zero everywhere"


def in_a_process_of_its_own(
    work: Callable[[str], dict[str, Any]], name: str, limit: float
) -> dict[str, Any]:
    """``work(name)``, such as `look_into`, for ``limit`` seconds at most."""
    # Started afresh: a fork would begin with all that this process holds.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(there, work, name))
    process.start()
    there.close()
    try:
        if here.poll(limit):
            return here.recv()
        return {"network": name, "failure": f"not finished after {limit:.0f} seconds"}
    except EOFError:
        process.join()
        return {"network": name, "failure": f"the process ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _answer(there: Connection, work: Callable[[str], dict[str, Any]], name: str) -> None:
    try:
        there.send(work(name))
    # Whatever it is, it is what the table shall say.
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        there.send({"network": name, "failure": f"{type(error).__name__}: {first}"})
        raise


def read(path: Path) -> dict[str, dict[str, Any]]:
    """The lines of the file, by network."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {line["network"]: line for line in map(json.loads, lines)}


def write(path: Path, lines: dict[str, dict[str, Any]]) -> None:
    """Keep the lines; an interruption leaves the file as it was, or whole."""
    part = path.with_name(f"{path.name}.part")
    part.write_text("".join(json.dumps(line) + "\n" for line in lines.values()), encoding="utf-8")
    part.replace(path)


def table(lines: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The lines of a Markdown table; seconds are the processor's."""
    titles = ["network", "parameters", "image", "steps", "default layer", "its maps"]
    titles += [f"{part}, s" for part in PARTS] + ["total, s", "peak, MB", "remarks"]
    yield f"| {' | '.join(titles)} |"
    yield "|---" * len(titles) + "|"
    for name in filter(lines.__contains__, catalogue.names()):
        line = lines[name]
        if "steps" not in line:
            cells = [*[""] * (len(titles) - 2), line.get("refusal") or line["failure"]]
        else:
            seconds = line["processor seconds"]
            cells = [
                f"{line['parameters'] / 1e6:.1f} M",
                "×".join(map(str, line["size"])),
                str(line["steps"]),
                f"`{line['default layer']}`",
                "×".join(map(str, line["maps"])),
                *(f"{seconds[part]:.1f}" if part in seconds else "–" for part in PARTS),
                f"{sum(seconds.values()):.0f}",
                f"{line['peak memory'] / 1e6:.0f}",
                "; ".join(line["remarks"]),
            ]
        yield f"| {' | '.join([name, *cells])} |"


def page(lines: dict[str, dict[str, Any]]) -> str:
    """``docs/catalogue.md``."""
    made_with = next(line for line in lines.values() if "backend" in line)
    missing = [name for name in catalogue.names() if name not in lines]
    return "\n".join(
        [
            "# Networks that open by name",
            "",
            f"Output of `benchmarks/catalogue.py` on {os.cpu_count()} cores without a GPU, with "
            f"{title(made_with['backend'])}, Keras {made_with['keras']} and random weights, batch "
            "normalization statistics taken from the photo. Each network is opened in its own "
            "process, followed by its geometry, Grad-CAM at its default layer, saliency and guided "
            f"backpropagation of the photo, and {PATTERN_STEPS} steps of activation maximization "
            "for a filter of that layer. Times are CPU seconds over all cores, for a first call "
            "including compilation. The peak is the resident memory of the process. The steps "
            "reproduce the output of the model, and every map is finite and not zero, unless a "
            "remark says otherwise.",
            "",
            *table(lines),
            *(["", f"Not run yet: {', '.join(missing)}."] if missing else []),
            "",
        ]
    )


def main() -> None:
    """Look into those that the file lacks, then print the table of all that it has."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=catalogue.names())
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table there too")
    arguments = parser.parse_args()
    out = arguments.out or Path(f"catalogue-{configured()}.jsonl")
    lines = read(out)
    for name in arguments.only:
        if name not in lines:
            lines[name] = in_a_process_of_its_own(look_into, name, arguments.limit)
            write(out, lines)
            print(json.dumps(lines[name]), flush=True)
    print("\n".join(table(lines)))
    if arguments.page:
        arguments.page.write_text(page(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
