"""Writes docs/models.md: kinds of models and methods, on three backends.

Run it as ``python docs/models.py`` where all three backends are installed; it takes a quarter of an
hour. tests/test_kinds.py checks each cell.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
HEAD = """# Supported models

Kinds of models and methods, on TensorFlow, JAX and PyTorch. ✓: works on all three backends. A
number: refused on all three backends, with the sentence below. The table is written by `python
docs/models.py`, for small networks with random weights, and checked by the tests.

The networks of keras.applications are in [their own table](catalogue.md).
"""
TAIL = """
For models with several inputs or outputs, choose by name: `optogram.load(file, input="photo",
fixed={"age": 40}, output="species")`, on the command line `--input photo --fixed age=40 --output
species`. In a segmentation network, the target is a class in a region:
`optogram.Class(3, region=(top, left, bottom, right))`, or a mask instead of the box.

Subclassed models and layers are traced with symbolic inputs: if `call()` is made of layers and
Keras operations, its layers are available. If it does more, the model is a single step, and only
methods without a layer work.
"""


def row_of_backend() -> None:
    """Print the results of the backend of this process for every kind, as JSON."""
    sys.path.insert(0, str(HERE.parent / "tests"))
    import kinds

    table = {}
    for kind in kinds.KINDS:
        net = kind.open()
        table[kind.title] = {m: kinds.try_method(m, kind, net) for m in kinds.METHODS}
        print(kind.title, file=sys.stderr)
    print(json.dumps(table))


def tables() -> dict[str, dict[str, dict[str, str]]]:
    """The result of each backend, kind and method."""
    found = {}
    for name, title in BACKENDS.items():
        command = [sys.executable, "-W", "ignore", __file__, "--one-backend"]
        environment = {**os.environ, "KERAS_BACKEND": name, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
        found[title] = json.loads(done.stdout.splitlines()[-1])
    return found


def page(found: dict[str, dict[str, dict[str, str]]]) -> str:
    """The page, as Markdown."""
    sentences: list[str] = []

    def cell(kind: str, method: str) -> str:
        answers = {title: table[kind][method] for title, table in found.items()}
        shown = {}
        for title, answer in answers.items():
            if answer != "works" and answer not in sentences:
                sentences.append(answer)
            shown[title] = "✓" if answer == "works" else str(sentences.index(answer) + 1)
        if len(set(shown.values())) == 1:
            return shown[title]
        return ", ".join(f"{title} {mark}" for title, mark in shown.items())

    first = next(iter(found.values()))
    methods = list(next(iter(first.values())))
    lines = [HEAD, "| model | " + " | ".join(methods) + " |", "|---" * (len(methods) + 1) + "|"]
    lines += [
        f"| {kind} | " + " | ".join(cell(kind, method) for method in methods) + " |"
        for kind in first
    ]
    lines += ["", *(f"{number}. {text}" for number, text in enumerate(sentences, 1)), TAIL]
    return "\n".join(lines)


if __name__ == "__main__":
    if "--one-backend" in sys.argv:
        row_of_backend()
    else:
        (HERE / "models.md").write_text(page(tables()))
