"""Kills processes of a Ray cluster while it makes a survey, and compares what comes out.

A cluster of three nodes is started on this machine. Again and again a survey is begun on it, a
worker, a node or the driver is killed (SIGKILL) at a random moment, and the command is run again if
it failed. Then every array of the store must be equal to that of a survey made in one process.

    python benchmarks/survey_faults.py MODEL PHOTOS --kinds worker,node,driver --times 10
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import zarr
from ray.cluster_utils import Cluster

NODES = 3


def survey(model, photos, store, *options):
    """The command as a process."""
    command = [sys.executable, "-m", "optogram", "survey", model, "--photos", photos]
    return subprocess.Popen(
        [*command, "--out", str(store), *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def differences(found, expected):
    """Paths of the arrays that differ between two stores."""
    stores = [zarr.open_group(str(place), mode="r") for place in (found, expected)]
    arrays = [
        {path: one[...] for path, one in store.members(max_depth=None) if hasattr(one, "shape")}
        for store in stores
    ]
    if arrays[0].keys() != arrays[1].keys():
        return sorted(arrays[0].keys() ^ arrays[1].keys())
    return [
        path
        for path, array in arrays[1].items()
        if not np.array_equal(arrays[0][path], array, equal_nan=array.dtype.kind == "f")
    ]


def workers():
    """The processes of Ray that run a work unit."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("ray::work" in part for part in process.info["cmdline"] or ())
    ]


def kill(kind, driver, cluster, nodes):
    """Kill one of a kind; whether there was one."""
    if kind == "driver":
        is_running = driver.poll() is None
        driver.send_signal(signal.SIGKILL)
        return is_running
    if kind == "worker":
        running = workers()
        if running:
            random.choice(running).send_signal(signal.SIGKILL)
        return bool(running)
    node = random.choice(nodes)
    nodes.remove(node)
    cluster.remove_node(node, allow_graceful=False)
    return True


def main():
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("photos")
    parser.add_argument("--kinds", default="worker,node,driver")
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    random.seed(asked.seed)
    os.environ |= {
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # As many as a worker has: sums depend on it in their last digits.
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
    }
    folder = Path(tempfile.mkdtemp(prefix="survey-faults-"))
    begun = time.monotonic()
    whole = survey(asked.model, asked.photos, folder / "whole.zarr")
    if whole.wait():
        sys.exit(whole.stdout.read().decode())
    print(f"in one process: {time.monotonic() - begun:.0f} s", flush=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES - 1)]
    cluster.wait_for_nodes()
    options = ("--on", cluster.address)
    begun = time.monotonic()
    usual = survey(asked.model, asked.photos, folder / "ray.zarr", *options)
    if usual.wait():
        sys.exit(usual.stdout.read().decode())
    seconds = time.monotonic() - begun
    others = differences(folder / "ray.zarr", folder / "whole.zarr") or "none"
    print(f"on the cluster: {seconds:.0f} s, other arrays: {others}", flush=True)
    failed = 0
    for kind in asked.kinds.split(","):
        for number in range(asked.times):
            store = folder / f"{kind}{number}.zarr"
            driver = survey(asked.model, asked.photos, store, *options)
            moment = random.uniform(0.1, 0.8) * seconds
            time.sleep(moment)
            was_there = kill(kind, driver, cluster, nodes)
            status, runs = driver.wait(), 1
            said = driver.stdout.read().decode().strip().splitlines()[-1:]
            while status and runs < 4:
                again = survey(asked.model, asked.photos, store, *options)
                status, runs = again.wait(), runs + 1
            others = differences(store, folder / "whole.zarr") if not status else ["no store"]
            failed += bool(others)
            late = "" if was_there else " (none ran any more)"
            print(
                f"{kind} {number}: killed at {moment:.0f} s{late}, "
                f"{runs} runs, other arrays: {others or 'none'} {said if runs > 1 else ''}",
                flush=True,
            )
            shutil.rmtree(store, ignore_errors=True)
            while len(nodes) < NODES - 1:
                nodes.append(cluster.add_node(num_cpus=1))
            cluster.wait_for_nodes()
    cluster.shutdown()
    shutil.rmtree(folder)
    print(f"{failed} stores differ.")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
