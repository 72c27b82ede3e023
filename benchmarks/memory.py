"""Whether ``memory=`` holds: what each of 30 tasks adds to the process beside its result.

``KERAS_BACKEND=jax python benchmarks/memory.py --memory 300MB [TASK ...]``

Each task has a process of its own. There it is done first at its smallest, one image or target at a
time, so that the opened model and the backend's programs and threads are no part of what is
measured; then as a whole, while Linux keeps the largest size of the process. ``added`` is that size
less the one before, ``result`` what the call returned, ``beside`` the difference, which ``memory=``
bounds. With ``--again`` each is done once more and measured then: the first time XLA compiles for
the longer batch, which takes hundreds of megabytes for a moment, whatever is fed. Photos are noise,
read and fitted beforehand where the task is not about photos.
"""

import argparse
import ctypes
import dataclasses
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Work = Callable[[Any, int, Any], Any]
"""What a task does, given the network, how many of its images or targets, and the memory."""


def noise(net: Any, count: int, size: tuple[int, int] | None = None) -> np.ndarray:
    """So many photos of noise, uint8."""
    shape = (count, *(size or net.nominal_size), net.channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def photos(net: Any, count: int) -> list[Path]:
    """As many files in a folder that goes with the process."""
    from PIL import Image

    folder = Path(tempfile.mkdtemp())
    paths = [folder / f"{number}.png" for number in range(count)]
    for path, picture in zip(paths, noise(net, count, (64, 64)), strict=True):
        Image.fromarray(picture).save(path)
    return paths


def attribution(method: str, **options: Any) -> Work:
    """A method on so many images."""

    def work(net: Any, count: int, memory: Any) -> Any:
        import optogram as og

        return getattr(og, method)(net, noise(net, count), memory=memory, **options)

    return work


def targets(method: str) -> Work:
    """A method on one image and so many classes."""

    def work(net: Any, count: int, memory: Any) -> Any:
        import optogram as og

        return getattr(og, method)(net, noise(net, 1), list(range(count)), memory=memory)

    return work


def filters(layer: str, recipe: str, **options: Any) -> Work:
    """So many filters, climbed."""

    def work(net: Any, count: int, memory: Any) -> Any:
        import optogram as og

        target = og.Filter(layer, range(count))
        return og.maximize(net, target, recipe, memory=memory, **options)

    return work


def classes(recipe: str, **options: Any) -> Work:
    """So many classes, climbed."""

    def work(net: Any, count: int, memory: Any) -> Any:
        import optogram as og

        return og.maximize(net, list(range(count)), recipe, memory=memory, **options)

    return work


def check(net: Any, count: int, memory: Any) -> Any:
    """The sanity checks of Grad-CAM."""
    import optogram as og

    result = og.gradcam(net, noise(net, count), memory=memory)
    return og.check(result, steps=8, memory=memory)


def report(net: Any, count: int, memory: Any) -> Any:
    """A page of photos."""
    import optogram as og

    with tempfile.TemporaryDirectory() as folder:
        og.report(net, photos(net, count), out=Path(folder, "report"), memory=memory)


def strongest(net: Any, count: int, memory: Any) -> Any:
    """A folder looked through."""
    import optogram as og

    return og.strongest_images(net, "block3b_expand_relu6", photos(net, count), memory=memory)


def scores(net: Any, count: int, memory: Any) -> Any:
    """Of photos that are read already."""
    return net.scores(noise(net, count), memory)


def larger(net: Any, count: int, memory: Any) -> Any:
    """Feature maps of photos that are larger than the network takes."""
    import optogram as og

    pictures = list(noise(net, count, (448, 448)))
    return og.feature_maps(net, pictures, size=(448, 448), memory=memory)


LITE, VGG, RESNET = "efficientnet-lite0", "vgg16", "resnet50v2"
TASKS: dict[str, tuple[str, int, Work]] = {
    "feature maps, all layers": (LITE, 32, attribution("feature_maps")),
    "feature maps, one layer": (VGG, 24, attribution("feature_maps", layers="block2_conv2")),
    "feature maps, all of VGG16": (VGG, 6, attribution("feature_maps")),
    "feature maps, larger photos": (LITE, 6, larger),
    "maximize tutorial": (LITE, 64, filters("block3b_expand_relu6", "tutorial", steps=4)),
    "maximize fast": (LITE, 64, filters("block3b_expand_relu6", "fast", steps=4)),
    "maximize maco": (LITE, 32, filters("block5a_expand_relu6", "maco", steps=4)),
    "maximize, a layer of VGG16": (VGG, 32, filters("block2_conv2", "tutorial", steps=2)),
    "maximize, frames": (LITE, 32, filters("stem_relu6", "fast", steps=16, frames=1)),
    "maximize, classes": (LITE, 24, classes("tutorial", steps=4)),
    "strongest images": (LITE, 200, strongest),
    "scores of photos": (LITE, 200, scores),
    "saliency": (LITE, 32, attribution("saliency")),
    "saliency, many classes": (LITE, 64, targets("saliency")),
    "guided backpropagation": (VGG, 8, attribution("guided_backprop")),
    "smoothgrad": (LITE, 8, attribution("smoothgrad")),
    "lrp": (LITE, 32, attribution("lrp")),
    "lrp, both signs": (LITE, 32, attribution("lrp", composite="alpha2_beta1")),
    "integrated gradients": (LITE, 8, attribution("integrated_gradients")),
    "gradcam": (RESNET, 24, attribution("gradcam")),
    "layercam, an early layer": (VGG, 8, attribution("layercam", layer="block1_conv2")),
    "scorecam": (LITE, 1, attribution("scorecam", layer="block5c_add")),
    "occlusion": (VGG, 1, attribution("occlusion", patch=64)),
    "rise": (LITE, 1, attribution("rise", masks=128)),
    "sobol": (LITE, 1, attribution("sobol", masks=132)),
    "lime": (LITE, 1, attribution("lime", masks=128)),
    "kernel shap": (LITE, 1, attribution("kernel_shap", masks=128)),
    "ablationcam": (LITE, 1, attribution("ablationcam")),
    "check": (LITE, 2, check),
    "report": (LITE, 2, report),
}
"""For each task the network, how many images or targets, and what is done."""


def size_of(found: Any) -> int:
    """Bytes of the arrays that a result holds, each counted once."""
    arrays: dict[int, int] = {}
    waiting = [found]
    while waiting:
        one = waiting.pop()
        if isinstance(one, np.ndarray):
            while isinstance(one.base, np.ndarray):
                one = one.base
            arrays[id(one)] = one.nbytes
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
        elif dataclasses.is_dataclass(one):
            waiting += [getattr(one, field.name) for field in dataclasses.fields(one)]
    return sum(arrays.values())


def resident(field: str) -> int:
    """Bytes of this process in memory: now (``VmRSS``), or at most (``VmHWM``)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def measure(name: str, memory: str, again: bool) -> dict[str, float]:
    """Do one task in this process: bytes added and of the result, and seconds.

    ``again``: it has been done before.
    """
    import keras

    import optogram as og

    network, count, work = TASKS[name]
    keras.utils.set_random_seed(0)
    net = og.load(network, weights="imagenet" if network == LITE else None)
    work(net, 1, 1)
    if again:
        work(net, count, memory)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    start = time.monotonic()
    found = work(net, count, memory)
    seconds = time.monotonic() - start
    return {"added": resident("VmHWM") - before, "result": size_of(found), "seconds": seconds}


def in_its_own_process(name: str, memory: str, again: bool) -> dict[str, float]:
    """`measure` in a process of its own."""
    options = ["--here", "--memory", memory, *(["--again"] if again else [])]
    command = [sys.executable, "-W", "ignore", __file__, *options, name]
    done = subprocess.run(command, env=os.environ, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print a line for each task."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("tasks", nargs="*", metavar="TASK", help="those whose names begin so")
    parser.add_argument("--memory", default="300MB")
    parser.add_argument("--again", action="store_true", help="measure a second run of each")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.tasks[0], arguments.memory, arguments.again)))
        return
    from optogram.interpreters.memory import allowance

    bound, held, begins = allowance(arguments.memory), 0, tuple(arguments.tasks or ("",))
    names = [name for name in TASKS if name.startswith(begins)]
    for name in names:
        found = in_its_own_process(name, arguments.memory, arguments.again)
        beside = found["added"] - found["result"]
        held += beside <= bound
        print(
            f"{name:30} added {found['added'] / 1e6:7.0f} MB, result {found['result'] / 1e6:7.0f} "
            f"MB, beside {beside / 1e6:7.0f} MB {'held' if beside <= bound else 'BROKEN':6} "
            f"({found['seconds']:.1f} s)",
            flush=True,
        )
    print(f"{held} of {len(names)} tasks stay within {bound / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
