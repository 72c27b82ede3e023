"""What maps of many photos would take, from FLOPs and this machine's measured rate."""

import math

import numpy as np

from optogram.explaining.checks import STEPS
from optogram.explaining.paths import RANKINGS
from optogram.explaining.plan import Plan
from optogram.jobs.estimate import Estimate, seconds_of
from optogram.jobs.store import Store
from optogram.jobs.work import left_to_do
from optogram.methods.sanity.scrambling import stage_labels

_MEASURED = 8
"""Photos that are read, and images that are explained, to measure the time."""


def estimate(plan: Plan, store: Store | None) -> list[Estimate]:
    """What is left to do, method by method; a few maps are computed for it."""
    net, reading, size = plan.net, plan.reading, plan.reading.size
    count = min(_MEASURED, len(plan.photos), reading.block)
    forward = sum(one.flops or 0 for one in net.geometry(size, [net.head.logits]).values())
    noise = np.random.default_rng(0).integers(0, 256, (count, *size, net.channels), np.uint8)
    x = np.asarray(net.fed(list(noise), reading.fit, size))
    few = plan.photos.part(range(count))
    reads = seconds_of(lambda: reading.read(net, few, [""] * count), repeat=False) / count
    found = []
    for method in plan.methods:
        maps = left_to_do(plan.map_units(method), store)
        checks = left_to_do(plan.check_units(method), store)
        if not maps and not checks:
            continue
        passes = method.passes(net, size)
        each = seconds_of(lambda method=method: method.explain(net, x)) / count  # type: ignore[misc]
        items = sum(len(unit.photos) for unit in maps)
        stored = 4 * math.prod(method.shape(net, size)) * items
        found.append(
            Estimate(
                method.name,
                len(maps),
                items,
                items * passes * forward,
                stored,
                items * (each + reads),
            )
        )
        if checks:
            items = sum(len(unit.photos) for unit in checks)
            # Scores with pixels deleted and inserted; the map, and that at each stage.
            scores, again = 2 * STEPS * len(RANKINGS), 1 + len(stage_labels())
            work = scores + again * passes
            seconds = items * (each / passes * work + reads)
            what = f"checks of {method.name}"
            flops = items * work * forward
            found.append(Estimate(what, len(checks), items, flops, 100.0 * items, seconds))
    return found
