"""Files that keep how far long work has come, so that it can go on after an interruption."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.files import hash_of_file, kind_at, read_arrays, replacing, require_place
from optogram.graph.fingerprint import Teller, content, digest, identity
from optogram.graph.steps import Output
from optogram.network.network import Network
from optogram.version import __version__

_SECONDS = 10.0
"""Between two writings, at least."""
_SHARE = 0.02
"""Of the time that writing may take, at most."""


@dataclass
class Ledger:
    """What is known so far of a run, in a file that is whole or as it was before.

    Attributes
    ----------
    path : Path
        The file.
    mark : str
        Tells this run from others; see `fingerprint`.
    who : str
        The function whose run it is.
    """

    path: Path
    mark: str
    who: str
    _due: float = field(default_factory=lambda: time.monotonic() + _SECONDS)

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return time.monotonic() >= self._due

    def write(self, arrays: Mapping[str, np.ndarray], texts: Mapping[str, Any]) -> None:
        """Keep ``arrays``, and ``texts`` that JSON can hold."""
        begun = time.monotonic()
        manifest = np.array(json.dumps({"mark": self.mark, **texts}))
        with replacing(self.path) as part, part.open("wb") as file:
            np.savez(file, **{"texts": manifest, **arrays})  # type: ignore[arg-type]
        now = time.monotonic()
        self._due = now + max(_SECONDS, (now - begun) / _SHARE)

    def read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The arrays and texts that `write` kept; None where there is no such file yet.

        Raises
        ------
        InputError
            If the file holds something else, or belongs to another run.
        OutputError
            If there is none, and none can be written.
        """
        if kind_at(self.path) == "nothing":
            require_place(self.path)
            return None
        try:
            arrays = read_arrays(self.path)
            texts = json.loads(str(arrays.pop("texts")))
            mark = texts.pop("mark")
        # A damaged or foreign file can fail anywhere inside NumPy, with any exception.
        except Exception as error:
            raise self.damaged() from error
        if mark != self.mark:
            raise self.other_run()
        return arrays, texts

    def damaged(self) -> InputError:
        """The error for a file that holds something else."""
        return InputError(
            f"{self.path} does not hold the progress of {self.who}, or is damaged: give "
            "another name, or delete it to begin anew."
        )

    def other_run(self) -> InputError:
        """The error for a file that belongs to another run."""
        return InputError(
            f"{self.path} belongs to another run of {self.who}: its network, weights or arguments "
            "differ. Give another name, or delete it to begin anew."
        )


def fingerprint(net: Network, values: Sequence[Output], size: tuple[int, int], *asked: Any) -> str:
    """Tells one run from another: what was asked, of which network up to ``values``.

    What the preparation does is told by what it makes of noise of ``size`` (height, width), there
    and back.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (1, *size, net.channels)).astype(np.float32)
    prepared = net.preparation.to_network(noise)
    shown = net.preparation.to_display(prepared)
    told = [
        __version__,
        identity(net.graph, values),
        [content(array) for array in (prepared, shown)],
        Teller().tell(list(asked)),
    ]
    return digest(told)


def photo_mark(source: Any) -> str:
    """What tells a photo from another one under its name: its bytes, or "" where it has none."""
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source))
        try:
            # Opening a pipe would wait for its other end.
            return hash_of_file(path) if kind_at(path) == "file" else ""
        except OSError:
            return ""
    try:
        return digest(content(np.asarray(source)))
    # What is no picture is told by whoever reads it.
    except Exception:
        return ""
