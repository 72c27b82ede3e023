"""Checkpoints: files from which an interrupted run continues."""

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
from optogram.pictures.read import content_of
from optogram.version import __version__

_SECONDS = 10.0
"""Least time between two checkpoints."""
_SHARE = 0.02
"""Largest share of the run time spent on checkpoints."""


@dataclass
class Checkpoint:
    """The checkpoint of a run. Writing is atomic.

    Attributes
    ----------
    path : Path
        The file.
    mark : str
        Identifies the run; see `fingerprint`.
    who : str
        Name of the function.
    """

    path: Path
    mark: str
    who: str
    _due: float = field(default_factory=lambda: time.monotonic() + _SECONDS)

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() >= self._due

    def write(self, arrays: Mapping[str, np.ndarray], texts: Mapping[str, Any]) -> None:
        """Write ``arrays`` and JSON-serializable ``texts``."""
        begun = time.monotonic()
        manifest = np.array(json.dumps({"mark": self.mark, **texts}))
        with replacing(self.path) as part, part.open("wb") as file:
            np.savez(file, **{"texts": manifest, **arrays})  # type: ignore[arg-type]
        now = time.monotonic()
        self._due = now + max(_SECONDS, (now - begun) / _SHARE)

    def read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """The arrays and texts that `write` stored; None if the file does not exist.

        Raises
        ------
        InputError
            If the file holds something else, or belongs to another run.
        OutputError
            If the file does not exist and cannot be created.
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
        """The error for a file that is not a checkpoint."""
        return InputError(
            f"{self.path} is not a checkpoint of {self.who}, or is damaged: give another name, or "
            "delete it to start over."
        )

    def other_run(self) -> InputError:
        """The error for a checkpoint of another run."""
        return InputError(
            f"{self.path} is the checkpoint of another run of {self.who}: its network, weights or "
            "arguments differ. Give another name, or delete it to start over."
        )


def fingerprint(net: Network, outputs: Sequence[Output], size: tuple[int, int], *asked: Any) -> str:
    """Identifies a run: the network up to ``outputs``, and the arguments.

    The preprocessing is identified by its effect on noise of ``size`` (height, width), in both
    directions.
    """
    noise = np.random.default_rng(0).uniform(0, 255, (1, *size, net.channels)).astype(np.float32)
    prepared = net.preparation.to_network(noise)
    shown = net.preparation.to_display(prepared)
    told = [
        __version__,
        identity(net.graph, outputs),
        [content(array) for array in (prepared, shown)],
        Teller().tell(list(asked)),
    ]
    return digest(told)


def photo_mark(source: Any) -> str:
    """A hash of the content of a photo; "" if it cannot be read."""
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source))
        try:
            # Opening a pipe would wait for its other end.
            return hash_of_file(path) if kind_at(path) == "file" else ""
        except OSError:
            return ""
    try:
        if isinstance(source, bytes | bytearray | memoryview) or hasattr(source, "read"):
            source = np.frombuffer(content_of(source), np.uint8)
        return digest(content(np.asarray(source)))
    # Reading the photo later reports the error.
    except Exception:
        return ""
