"""Where a survey on many workers stops scaling: rates measured here, and what follows from them.

``python benchmarks/survey_at_scale.py MODEL PHOTOS [--photos 1000000] [--rate 3000]``

Measured on this machine: what the list of work units takes, how many tasks the driver hands out and
collects a second while 2, 200 or 2000 are pending, how long a process takes to open the network,
and what a block of photos leaves in the store and costs when the blocks are merged. ``--rate`` is
the number of photos a second that one worker computes, which depends on its device. The table gives
the time of each part for 1 to 4000 workers.
"""

import argparse
import math
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from unittest import mock

import numpy as np
import psutil
import ray

import optogram as og
from optogram.jobs import on_ray
from optogram.jobs.shipping import shipped
from optogram.jobs.store import Store
from optogram.jobs.work import WorkUnit, left_to_do
from optogram.pictures.photo_set import PhotoSet
from optogram.surveying import merging
from optogram.surveying.paths import KIND
from optogram.surveying.photos import PhotoBlock
from optogram.surveying.plan import Plan, planned

PENDING = (2, 200, 2000)
TASKS = 4000
WORKERS = (1, 10, 100, 1000, 4000)
PASS = "photos", "statistics", "neighbors"

OPENING = """
import pickle, sys
from optogram.jobs.shipping import opened
net = opened(pickle.load(open(sys.argv[1], "rb")))
net.evaluate(net.fed([sys.argv[2]], "stretch", net.nominal_size), [net.head.logits], "2GB")
"""


def done(job: str, settings: dict[str, str], model: bytes, unit: bytes) -> int:
    """A task without work: what is left is Ray and the driver."""
    return 1


def memory() -> float:
    """MB of this process."""
    return psutil.Process().memory_info().rss / 1e6


def plan_of(net: og.Network, photos: PhotoSet) -> Plan:
    """The plan of a survey with default arguments."""
    arguments = {"layers": None, "units": None, "top": 9, "fit": "stretch", "size": None}
    patterns = {"recipe": "fast", "changes": {}, "variants": 1, "seed": 0}
    return planned(net, photos, None, what=PASS, **arguments, **patterns)


def listing(net: og.Network, count: int, few: PhotoSet, folder: Path) -> tuple[float, int]:
    """Seconds that the driver needs to list ``count`` photos as units, and their number."""
    path = folder / "empty.npy"
    shape = (count, *net.nominal_size, net.channels)
    np.lib.format.open_memmap(path, "w+", np.uint8, shape)  # takes no space until it is written
    before, begun = memory(), time.monotonic()
    units = plan_of(net, PhotoSet.of(str(path))).photo_units()
    seconds = time.monotonic() - begun
    size = len(pickle.dumps(units[0]))
    print(
        f"{count:,} photos are {len(units):,} units: {seconds:.1f} s and "
        f"{memory() - before:.0f} MB in the driver, {size / 1e3:.1f} kB sent for each",
        flush=True,
    )
    few_units = plan_of(net, few).photo_units()
    begun = time.monotonic()
    left_to_do(few_units, None)
    marks = (time.monotonic() - begun) / len(few) * count
    print(f"their marks, at the rate of the photos given: {marks:.1f} s", flush=True)
    return seconds + marks, len(units)


def scheduling(net: og.Network, units: Sequence[WorkUnit], store: Store) -> dict[int, float]:
    """Tasks a second that the driver hands out and collects, by the number that are pending."""
    rates = {}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    for pending in PENDING:
        many = [units[i % len(units)] for i in range(TASKS)]
        waiting = mock.patch.object(on_ray, "_WAITING", pending // 2)
        with waiting, mock.patch.object(on_ray, "work", done):
            tasks = on_ray.run_on_ray(many, net, store, og.Ray())
            for _ in range(100):
                next(tasks)  # processes are started
            begun = time.monotonic()
            left = sum(1 for _ in tasks)
        rates[pending] = left / (time.monotonic() - begun)
        print(f"{pending:>5} tasks pending: {rates[pending]:6.0f} a second", flush=True)
    ray.shutdown()
    return rates


def opening(net: og.Network, photo: str, folder: Path) -> float:
    """Seconds in which a new process imports, opens the network that was sent, and compiles it."""
    path = folder / "model.pickle"
    path.write_bytes(pickle.dumps(shipped(net)))
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", OPENING, str(path), photo], check=True, capture_output=True
    )
    seconds = time.monotonic() - begun
    print(
        f"network: {path.stat().st_size / 1e6:.1f} MB sent, opened in {seconds:.1f} s", flush=True
    )
    return seconds


def storing(net: og.Network, photos: PhotoSet, place: Path) -> tuple[float, float, float]:
    """Objects and bytes that a block leaves, and seconds in which it is merged."""
    og.survey(net, photos, place, what=PASS)
    plan = plan_of(net, photos)
    blocks = len(plan.photo_units())
    ranked = "activation", "photo", "place"
    paths = ["mean", "active", "fires", "photos", "done", *(f"strongest_{one}" for one in ranked)]
    chunks = [
        chunk
        for path in paths
        for chunk in (place / "blocks" / path / "c").rglob("*")
        if chunk.is_file()
    ]
    samples = [chunk for chunk in (place / "samples").rglob("*") if chunk.is_file()]
    of_photos = 2  # classes and errors
    size = sum(chunk.stat().st_size for chunk in (*chunks, *samples)) / blocks
    objects = len(chunks) / blocks + len(samples) / blocks + of_photos
    store = Store.opened_to_write(str(place), KIND)
    begun = time.monotonic()
    merging.merge_photos(store, net, plan.table, plan.reading)
    merged = time.monotonic() - begun
    begun = time.monotonic()
    merging.merge_samples(store, plan.table, frozenset(PASS), lambda done, of: None)
    print(
        f"a block of {plan.reading.block} photos: {objects:.0f} objects, {size / 1e6:.1f} MB; "
        f"{blocks} blocks merged in {merged:.1f} s, their samples in "
        f"{time.monotonic() - begun:.1f} s",
        flush=True,
    )
    return objects, size, merged / blocks


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("few", metavar="PHOTOS")
    parser.add_argument("--photos", type=int, default=1_000_000)
    parser.add_argument("--rate", type=float, default=3000)
    asked = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    net = og.load(asked.model)
    few = PhotoSet.of(asked.few)
    few = few.part(range(min(len(few), 2048)))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        listed, blocks = listing(net, asked.photos, few, folder)
        objects, size, merged = storing(net, few, folder / "net.zarr")
        opened = opening(net, few.paths[0] if few.paths else str(asked.few), folder)
        few_units = [unit for unit in plan_of(net, few).photo_units() if type(unit) is PhotoBlock]
        store = Store.opened_to_write(str(folder / "net.zarr"), KIND)
        rates = scheduling(net, few_units, store)
    block = plan_of(net, few).reading.block
    print(f"\n{asked.photos:,} photos, {asked.rate:,.0f} a second for each worker")
    print("workers    list    open    compute    hand out    merge    total   share of 1 worker's")
    alone = None
    for workers in WORKERS:
        compute = math.ceil(blocks / workers) * block / asked.rate
        pending = min(PENDING, key=lambda one: abs(math.log(one / (2 * workers))))
        handed = blocks / rates[pending]
        merge = blocks * merged
        total = listed + opened + max(compute, handed) + merge
        alone = alone or total
        print(
            f"{workers:>7} {listed:>6.0f} s {opened:>5.0f} s {compute:>8.0f} s {handed:>9.1f} s "
            f"{merge:>6.0f} s {total:>6.0f} s   {alone / total / workers:.1%}"
        )
    at_once = WORKERS[-2] * asked.rate / block
    print(
        f"At {WORKERS[-2]} workers the store takes {at_once * objects:,.0f} objects and "
        f"{at_once * size / 1e9:.1f} GB a second while they compute, "
        f"{blocks * size / 1e9:.1f} GB in all."
    )


if __name__ == "__main__":
    main()
