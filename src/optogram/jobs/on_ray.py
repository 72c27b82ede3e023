"""Running work units as tasks of a Ray cluster.

Ray sends the network to each machine once, starts tasks where there are free CPUs or GPUs, repeats
those of machines that were lost, and starts machines where the cluster can grow.
"""

import importlib.util
import logging
import socket
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optogram import backend
from optogram.errors import InputError, OptogramError, OutputError
from optogram.jobs.remote import work
from optogram.jobs.shipping import shipped
from optogram.jobs.store import Store, is_remote
from optogram.jobs.work import WorkUnit
from optogram.network.network import Network
from optogram.words import brief

_WAITING = 2
"""Tasks that wait for each CPU: the next one is there when one is done."""
_RETRIES = 5
"""How often Ray repeats a task whose process or machine was lost."""
_PATIENCE = 10.0
"""Seconds after which an address that does not answer is given up."""
_LONGEST = 200


@dataclass(frozen=True)
class Ray:
    """A Ray cluster, and what each of its workers takes.

    Parameters
    ----------
    address : str, optional
        ``ray://HOST:10001``, or "auto" for the cluster that this machine belongs to. None: a
        cluster on this machine, started for the call.
    cpus, gpus : float
        CPUs and GPUs of each worker.
    """

    address: str | None = None
    cpus: float = 1
    gpus: float = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.cpus <= 0 or self.gpus < 0:
            raise InputError(
                f"A worker takes some CPU and 0 or more GPUs, not cpus={self.cpus}, "
                f"gpus={self.gpus}."
            )


@contextmanager
def connected(cluster: Ray) -> Iterator[None]:
    """In the block, this process is connected to the cluster; one that was started ends with it.

    Raises
    ------
    InputError
        If Ray is not installed.
    OutputError
        If the cluster cannot be reached.
    """
    if importlib.util.find_spec("ray") is None:
        raise InputError('Ray is not installed: run pip install "optogram[ray]".')
    import ray

    is_own = not ray.is_initialized()
    if is_own:
        _connect(cluster)
    try:
        yield
    finally:
        if is_own:
            ray.shutdown()


def _connect(cluster: Ray) -> None:
    import ray

    own: dict[str, Any] = {} if cluster.address else {"include_dashboard": False}
    try:
        _require_listening(cluster.address)
        ray.init(
            address=cluster.address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **own,
        )
    # Addresses can fail in many ways, inside gRPC as well.
    except Exception as error:
        where = f"at {cluster.address}" if cluster.address else "on this machine"
        raise OutputError(
            f"There is no Ray cluster {where}: {brief(str(error), _LONGEST).rstrip('.')}. Check "
            "the address, and that ray start runs there."
        ) from error


def _require_listening(address: str | None) -> None:
    """Raise an OSError if nobody listens at an address: Ray would try again for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE).close()


def run_on_ray(
    units: Sequence[WorkUnit], net: Network, store: Store, cluster: Ray
) -> Iterator[int]:
    """Do the units on the cluster that this process is `connected` to; yields their counts.

    Raises
    ------
    InputError
        If a unit cannot be computed.
    OutputError
        If the cluster was lost, or the store cannot be written.
    """
    import ray
    from ray import cloudpickle

    settings = {
        "environment": _environment(cluster),
        "folder": str(Path.cwd()),
        "place": store.place if is_remote(store.place) else str(Path(store.place).absolute()),
        "kind": store.kind,
    }
    task = ray.remote(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_retries=_RETRIES)(work)
    model = ray.put(cloudpickle.dumps(shipped(net)))
    job, left, running = uuid.uuid4().hex, list(reversed(units)), dict[Any, WorkUnit]()
    try:
        while left or running:
            places = max(1, int(ray.cluster_resources().get("CPU", 1) / cluster.cpus))
            while left and len(running) < places * _WAITING:
                unit = left.pop()
                sent = cloudpickle.dumps(unit)
                running[task.remote(job, settings, model, sent)] = unit
            ready, _ = ray.wait(list(running), timeout=None)
            for reference in ready:
                del running[reference]
                yield ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        # It would carry the trace of the other process into the message.
        cause = error.cause
        raise (cause if isinstance(cause, OptogramError) else error) from None
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise OutputError(
            f"The Ray cluster was lost: {brief(str(error), _LONGEST).rstrip('.')}. What was "
            "finished is kept: run the same command again."
        ) from error
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _environment(cluster: Ray) -> dict[str, str]:
    """Environment variables of workers: the backend, and as many threads as they have CPUs."""
    threads = str(max(1, int(cluster.cpus)))
    return {
        "KERAS_BACKEND": backend.configured(),
        "OMP_NUM_THREADS": threads,
        "TF_NUM_INTRAOP_THREADS": threads,
        "TF_NUM_INTEROP_THREADS": threads,
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
