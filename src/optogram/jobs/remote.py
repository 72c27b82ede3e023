"""What a Ray worker runs. It imports nothing that imports Keras before the backend is set."""

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OPENED: dict[str, tuple[Any, Any]] = {}
"""The network and the store of this process, by job: both are opened once."""


def work(job: str, settings: Mapping[str, Any], model: bytes, unit: bytes) -> Any:
    """Do a work unit, and return its count.

    Parameters
    ----------
    job : str
        Identifies the network and the store.
    settings : mapping
        "environment", "folder" (of the driver), "place", "kind" and "network" of the store.
    model, unit : bytes
        The network and the work unit, pickled: they are unpickled once the backend is set.

    Raises
    ------
    InputError
        If the network that arrived is not the one that was sent.
    """
    if job not in _OPENED:
        # Keras fixes its backend, and TensorFlow its threads, when they are imported.
        os.environ.update(settings["environment"])
        if Path(settings["folder"]).is_dir():
            os.chdir(settings["folder"])
        from optogram.jobs.shipping import opened
        from optogram.jobs.store import Store

        _OPENED.clear()
        net = opened(pickle.loads(model))
        _OPENED[job] = net, Store.opened_to_write(settings["place"], settings["kind"])
    from optogram.jobs.work import perform

    net, store = _OPENED[job]
    return perform(pickle.loads(unit), net, store)
