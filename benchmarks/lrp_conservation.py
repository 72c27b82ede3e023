"""Does LRP conserve relevance in every network that opens by name, and where does it not?

``KERAS_BACKEND=tensorflow python benchmarks/lrp_conservation.py --out conservation.jsonl``

Weights are random and seeded, and batch normalizations are set to the photo, a cat. For each
composite the step that loses most is named: lost is what arrived less what was handed on and what
biases took, as a part of the largest relevance that arrived anywhere or that biases took. Where a
photo takes more memory than is free, the network is built for half its side, and the line says so.
Each network has a process of its own, and leaves a line of JSON in the file: run the same command
again after an interruption, and it goes on with those that have none.
"""

import argparse
from pathlib import Path
from typing import Any

from catalogue import in_a_process_of_its_own, read, set_normalizations, write

import optogram as og
from optogram.backend import configured
from optogram.network.opening import catalogue

COMPOSITES = ("epsilon", "epsilon_gamma_box")


def conserved(name: str) -> dict[str, Any]:
    """What the network called ``name`` loses at its worst step, by composite."""
    import keras

    known = {"network": name, "backend": keras.config.backend(), "keras": keras.__version__}
    keras.utils.set_random_seed(0)
    photo = og.datasets.sample_photo("chelsea")
    try:
        net = og.load(name, weights=None)
    except og.OptogramError as refusal:
        return {**known, "refusal": str(refusal)}
    try:
        return known | {"composites": _composites(net, photo)}
    except og.InputError:  # it takes more memory than is free
        entry = catalogue.find(name)
        side = entry.size // 2
        build = getattr(keras.applications, entry.builder)
        net = og.Network(build(weights=None, input_shape=(side, side, 3)), entry.preprocess)
        return known | {"side": side, "composites": _composites(net, photo)}


def _composites(net: og.Network, photo: Any) -> dict[str, dict[str, Any]]:
    set_normalizations(net.model, net.prepare(photo))
    return {composite: _worst(net, photo, composite) for composite in COMPOSITES}


def _worst(net: og.Network, photo: Any, composite: str) -> dict[str, Any]:
    found = og.lrp(net, photo, composite=composite)
    rows = found.conservation()
    scale = max(abs(row.arrived) for row in rows) + max(abs(row.taken_by_biases) for row in rows)
    worst = max(rows, key=lambda row: abs(row.lost))
    return {
        "steps": len(rows),
        "score": float(found.score[0]),
        "at the image": float(found.values.sum()),
        "taken by biases": float(found.taken_by_biases[0]),
        "lost": float(found.lost[0]),
        "worst step": worst.step,
        "its rule": worst.rule,
        "lost there": abs(worst.lost) / scale,
        "without a rule": [each for each in found.warnings if "no rule" in each],
    }


def main() -> None:
    """Ask those that the file lacks, then print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", default=catalogue.names())
    parser.add_argument("--out", type=Path, metavar="FILE")
    parser.add_argument("--limit", type=float, default=900, metavar="SECONDS")
    arguments = parser.parse_args()
    out = arguments.out or Path(f"conservation-{configured()}.jsonl")
    lines = read(out)
    for name in arguments.only:
        if name not in lines:
            lines[name] = in_a_process_of_its_own(conserved, name, arguments.limit)
            write(out, lines)
        line = lines[name]
        print(name, line.get("refusal") or line.get("failure") or "")
        for composite, worst in line.get("composites", {}).items():
            print(
                f"  {composite}: {worst['lost there']:.1e} at {worst['worst step']} "
                f"({worst['its rule']}) of {worst['steps']} steps",
                *worst["without a rule"],
                flush=True,
            )


if __name__ == "__main__":
    main()
