"""The windowed forward beside whole forward passes of the same changed images."""

import numpy as np

from optogram.interpreters.windowed import costs, plan
from optogram.interpreters.windowed.run import Windowed

TOLERANCE = 1e-4
"""Of the range of what patches take away, as the largest difference of scores."""


def always(monkeypatch):
    """Windows wherever there is a rule for them: what they cost counts nothing."""
    for name, value in {"BYTE": 0.0, "_CALL": 0.0, "_SLACK": 0.0}.items():
        monkeypatch.setattr(costs, name, value)


def whole(net, x, paint, rows, columns, places, values):
    changed = np.repeat(x, len(places), axis=0)
    for picture, (i, j) in zip(changed, places, strict=True):
        window = slice(*rows[i]), slice(*columns[j])
        picture[window] = paint[0][window]
    return net.evaluate(changed, values)


def by_windows(net, x, paint, rows, columns, places, values, memory=None, one_at_a_time=False):
    """The outputs, and the names of the steps that ran on windows."""
    made = plan.WindowPlan(net, x.shape[1:3], values, rows, columns, len(places), one_at_a_time)
    windowed = Windowed(net, made)
    found = [np.full((len(places), *net.shape(value, x.shape[1:3])), np.nan) for value in values]
    seen = np.zeros(len(places), int)
    for which, outputs in windowed.stream(windowed.base(x), paint, places, memory):
        np.add.at(seen, which, 1)
        for array, output in zip(found, outputs, strict=True):
            array[which] = output
    np.testing.assert_array_equal(seen, 1)
    return found, made.steps


def spans_within(side, lengths):
    """Every span of some lengths within a side."""
    return np.array(
        [(a, min(side, a + n)) for n in lengths for a in range(0, side, max(1, side // 4))]
    )


def assert_windows_equal_whole(net, x, values, seed=0, **more):
    rng = np.random.default_rng(seed)
    paint = rng.uniform(x.min(), x.max() + 1, x.shape).astype(np.float32)
    rows, columns = spans_within(x.shape[1], (1, 4)), spans_within(x.shape[2], (2, 3))
    places = rng.permutation(
        np.stack(np.meshgrid(range(len(rows)), range(len(columns))), -1).reshape(-1, 2)
    )[:12]
    expected = whole(net, x, paint, rows, columns, places, values)
    found, steps = by_windows(net, x, paint, rows, columns, places, values, **more)
    for ours, theirs in zip(found, expected, strict=True):
        scale = max(np.ptp(theirs), 1e-3 * np.abs(theirs).max(), 1e-30)
        assert np.abs(ours - theirs).max() <= TOLERANCE * scale
    return steps
