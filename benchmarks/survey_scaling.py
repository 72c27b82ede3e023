"""Time of a survey in one process and on Ray, with one core and with two.

``python benchmarks/survey_scaling.py MODEL PHOTOS [--count 3072]``

Each way runs in a process of its own, one after the other: in the process itself with one and two
threads, and on a Ray cluster on this machine with one and two workers of one CPU each. Seconds are
those of `og.survey` as a whole, without starting the cluster but with opening the network in each
worker; photos a second are counted from when each worker has done one unit to the last one.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = ("process 1", "process 2", "ray 1", "ray 2")


def measure(way: str, model: str, photos: str, count: int) -> dict[str, float]:
    """Seconds of one way, in this process."""
    import optogram as og
    from optogram.pictures.photo_set import PhotoSet

    kind, cores = way.split()
    chosen = PhotoSet.of(photos)
    chosen = chosen.part(range(min(count, len(chosen))))
    net = og.load(model)
    moments: list[tuple[float, int]] = []

    def progress(done: int, total: int, what: str) -> None:
        if what == "photos":
            moments.append((time.monotonic(), done))

    if kind == "ray":
        import ray

        ray.init(num_cpus=int(cores), include_dashboard=False, log_to_driver=False)
    place = Path(tempfile.mkdtemp(), "net.zarr")
    begun = time.monotonic()
    on = "ray" if kind == "ray" else None
    og.survey(net, chosen, place, what=("photos", "statistics"), on=on, progress=progress)
    whole = time.monotonic() - begun
    # From the moment at which each worker has done one: then all have opened the network.
    (first, before), (last, after) = moments[int(cores) - 1 if on else 0], moments[-1]
    return {"photos": len(chosen), "seconds": whole, "rate": (after - before) / (last - first)}


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("photos")
    parser.add_argument("--count", type=int, default=3072)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.way:
        print(json.dumps(measure(asked.way, asked.model, asked.photos, asked.count)))
        return
    for way in WAYS:
        threads = way.split()[1] if way.startswith("process") else "1"
        names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
        command = [sys.executable, __file__, asked.model, asked.photos, "--way", way]
        found = subprocess.run(
            [*command, "--count", str(asked.count)],
            check=True,
            capture_output=True,
            text=True,
            env=os.environ | dict.fromkeys(names, threads),
        )
        one = json.loads(found.stdout.splitlines()[-1])
        print(
            f"{way:10} {one['photos']:>6,} photos: {one['seconds']:6.1f} s in all, "
            f"{one['rate']:6.1f} photos a second once all workers work",
            flush=True,
        )


if __name__ == "__main__":
    main()
