"""Rate of a survey beside the network's own forward rate, and its peak memory.

``python benchmarks/survey.py MODEL PHOTOS [--counts 2000,10000]``

For each count, three processes run in turn: the forward pass of the network over photos that are
prepared and in memory already, the same while photos are read from their files, and the pass of a
survey over them, with statistics and strongest photos of all layers. CPU time is compared as well
as wall time, since other processes may be running.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KINDS = ("forward", "reading", "survey")


def measure(kind: str, model: str, photos: str, count: int) -> dict[str, float]:
    """Seconds and peak memory of one kind, in this process."""
    import numpy as np

    import optogram as og
    from optogram.pictures.photo_set import PhotoSet
    from optogram.pictures.prefetch import prefetched
    from optogram.surveying.activations import batch_length

    net = og.load(model)
    chosen = PhotoSet.of(photos)
    chosen = chosen.part(range(min(count, len(chosen))))
    size = net.nominal_size
    batch = batch_length(net, size)
    parts = [range(i, min(i + batch, len(chosen))) for i in range(0, len(chosen), batch)]

    def read(part):
        return np.asarray(net.fed([chosen.source(i) for i in part], "stretch", size))

    def forward(x):
        net.evaluate(np.resize(x, (batch, *x.shape[1:])), [net.head.logits], "8GB")

    first = read(parts[0])
    forward(first)  # compiled before it is measured
    place = Path(tempfile.mkdtemp())
    if kind == "survey":
        og.survey(net, chosen.part(parts[0]), place / "first.zarr", what="photos")
    begun, cpu = time.monotonic(), time.process_time()
    if kind == "survey":
        og.survey(net, chosen, place / "net.zarr", what=("photos", "statistics", "neighbors"))
    elif kind == "forward":
        for _ in parts:
            forward(first)
    else:
        for x in prefetched(read, parts, ahead=1):
            forward(x)
    seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
    stored = sum(file.stat().st_size for file in (place / "net.zarr").rglob("*") if file.is_file())
    shutil.rmtree(place)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"photos": len(chosen), "seconds": seconds, "cpu": cpu, "peak": peak, "stored": stored}


def main() -> None:
    """Print a line for each kind and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("photos")
    parser.add_argument("--counts", default="2000")
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    counts = [int(count) for count in asked.counts.split(",")]
    if asked.kind:
        print(json.dumps(measure(asked.kind, asked.model, asked.photos, counts[0])))
        return
    for count in counts:
        rates = {}
        for kind in KINDS:
            command = [sys.executable, __file__, asked.model, asked.photos, "--kind", kind]
            found = subprocess.run(
                [*command, "--counts", str(count)], check=True, capture_output=True, text=True
            )
            one = json.loads(found.stdout.splitlines()[-1])
            photos = one["photos"]
            rates[kind] = photos / one["seconds"], photos / one["cpu"]
            print(
                f"{kind:8} {photos:>7,} photos: {rates[kind][0]:8.1f} a second, "
                f"{1000 / rates[kind][1]:6.2f} ms of CPU each, {one['peak']:6.0f} MB at most"
                + (f", store {one['stored'] / 1e6:.1f} MB" if one["stored"] else ""),
                flush=True,
            )
        wall, cpu = (rates["survey"][i] / rates["forward"][i] for i in range(2))
        print(f"survey : forward = {wall:.2f} in photos a second, {cpu:.2f} in CPU", flush=True)


if __name__ == "__main__":
    main()
