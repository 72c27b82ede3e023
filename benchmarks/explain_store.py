"""Maps into a store: photos per second beside the method's own rate, and peak memory.

    python benchmarks/explain_store.py FOLDER [PHOTOS [METHOD]]

FOLDER has photos, such as those that `benchmarks/photo_crops.py` makes. Rates are per second of CPU
time.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import optogram as og
from optogram.pictures.photo_set import PhotoSet

_OWN = 64
"""Images on which the method runs alone: a work unit."""


def main(folder, count=500, method="gradcam"):
    """Print the rates and the memory of one run."""
    net = og.load("efficientnet-lite0")
    photos = PhotoSet.of(folder)
    photos = photos.part(range(min(int(count), len(photos))))
    x = net.prepare([photos.source(i) for i in range(min(_OWN, len(photos)))])

    def alone():
        getattr(og, method)(net, x, memory="1GB")

    alone()  # compiles
    peaks = [peak()]

    def progress(done, total, _):
        if done * 4 >= total * len(peaks):  # at the first quarter, the second …
            peaks.append(peak())

    with tempfile.TemporaryDirectory() as place:
        wall = time.monotonic()
        store = f"{place}/maps.zarr"
        used = seconds_of(lambda: og.explain_all(net, photos, store, method, progress=progress))
        wall = time.monotonic() - wall
        stored = sum(file.stat().st_size for file in Path(place).rglob("*") if file.is_file())
    own = len(x) / seconds_of(alone)
    print(
        f"{len(photos)} photos, {method}: {len(photos) / used:.1f} photos/s of CPU time "
        f"({used:.0f} s, {wall:.0f} s on the clock), {own:.1f} by the method alone on prepared "
        f"images; ratio {len(photos) / used / own:.2f}. Peak memory before and after each "
        f"quarter: {', '.join(f'{one:.0f}' for one in peaks)} MB; store {stored / 1e6:.1f} MB."
    )


def seconds_of(compute):
    """CPU time of a call."""
    begun = time.process_time()
    compute()
    return time.process_time() - begun


def peak():
    """The most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    main(*sys.argv[1:])
