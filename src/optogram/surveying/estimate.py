"""What a survey would take, from the network's FLOPs and this machine's measured rate."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from optogram.graph.steps import Output
from optogram.interpreters.precision import in_rounding
from optogram.jobs.estimate import Estimate, seconds_of
from optogram.jobs.store import Store
from optogram.jobs.work import left_to_do
from optogram.surveying.activations import activations
from optogram.surveying.contributions import contributions
from optogram.surveying.patterns import TOGETHER
from optogram.surveying.photos import positions_of
from optogram.surveying.plan import Plan

_READ = 8
"""Photos that are read to measure the time of reading."""
_BACKWARD = 3
"""A forward and a backward pass, in FLOPs of a forward pass."""
_STRONGEST_BYTES, _SUM_BYTES, _SAMPLE_BYTES = 16, 24, 4
"""Bytes of a strongest photo, of the sums, and of a sample, for each unit."""


def estimate(plan: Plan, store: Store | None) -> list[Estimate]:
    """What is left to do of a survey, part by part; a few batches are computed for it."""
    net, table, reading = plan.net, plan.table, plan.reading
    reader = in_rounding(net, reading.rounding)
    units, photos = left_to_do(plan.photo_units(), store), len(plan.photos)
    found = []
    forward = _flops(plan, [net.head.logits, *table.outputs], reading.size)
    x = np.zeros((reading.batch, *reading.size, net.channels), np.float32)
    at = positions_of(np.arange(reading.batch))
    reads = seconds_of(lambda: _read(plan), repeat=False) / min(_READ, photos)
    rate = 0.0
    for kind in dict.fromkeys(type(unit) for unit in units):
        mine = [unit for unit in units if type(unit) is kind]
        is_forward = mine[0].marks == "blocks/done"
        compute: Callable[[], Any] = (
            (lambda: activations(reader, x, table, at, reading.batch))
            if is_forward
            else (lambda: contributions(net, x, table))
        )
        each = seconds_of(compute) / reading.batch
        items = min(photos, len(mine) * reading.block) // (1 if is_forward else reading.every)
        flops = items * forward * (1 if is_forward else _BACKWARD)
        rate = max(rate, flops / (items * each))
        sampled = items / reading.every if is_forward else items
        stored = sampled * _SAMPLE_BYTES * len(table)
        if is_forward:
            of_unit = reading.top * _STRONGEST_BYTES + _SUM_BYTES
            stored += len(mine) * len(table) * of_unit
        part = "photos" if is_forward else "classes"
        found.append(Estimate(part, len(mine), items, flops, stored, items * (each + reads)))
    if "patterns" in plan.wanted:
        rate = rate or forward * reading.batch / seconds_of(
            lambda: activations(reader, x, table, at, reading.batch)
        )
        found.append(_of_patterns(plan, store, rate))
    return found


def _of_patterns(plan: Plan, store: Store | None, rate: float) -> Estimate:
    settings, net = plan.settings, plan.net
    total = groups = 0
    flops = stored = 0.0
    for layer, missing, canvas in plan.missing_patterns(store):
        runs = settings.variants * settings.recipe.steps * settings.recipe.views
        flops += len(missing) * runs * _BACKWARD * _flops(plan, [layer.output], canvas)
        height, width = settings.shown(canvas)
        stored += len(missing) * settings.variants * height * width * net.channels
        total += len(missing)
        groups += -(-len(missing) // TOGETHER)
    return Estimate("patterns", groups, total, flops, stored, flops / rate)


def _flops(plan: Plan, outputs: Sequence[Output], size: tuple[int, int]) -> float:
    geometry = plan.net.geometry(size, outputs)
    return float(sum(one.flops or 0 for one in geometry.values()))


def _read(plan: Plan) -> None:
    for number in range(min(_READ, len(plan.photos))):
        try:
            plan.net.fed([plan.photos.source(number)], plan.reading.fit, plan.reading.size)
        except ValueError:
            continue
