"""schemathesis over the HTTP API of the explorer: ``nox -s web``, or with schemathesis installed

    KERAS_BACKEND=tensorflow python benchmarks/explorer_api.py [--seconds 120]

It makes requests out of /api/openapi.json, valid ones and others, and checks what is answered: no
status of 500 or more, each status, content type and schema as described, and invalid requests
refused. What the schema allows may still name no photo or layer: hence 422 for valid requests.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import optogram as og

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))


def main() -> int:
    """Serve a small network, and have schemathesis ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--schemathesis", default="schemathesis", help="its command")
    given = parser.parse_args()
    from explored import photos
    from networks import build

    net = og.Network(build("fused"), "unit", labels=list("abcde"))
    with og.explore([net, net], photos(), browser=False) as explorer:
        environment = {
            **os.environ,
            "SCHEMATHESIS_HOOKS": "explorer_hooks",
            "PYTHONPATH": str(ROOT / "benchmarks"),
            "OPTOGRAM_PHOTOS": " ".join(photo.id for photo in explorer.workspace),
            "OPTOGRAM_LAYERS": " ".join(net.map_layers()),
        }
        command = [given.schemathesis, "run", f"{explorer.address}api/openapi.json"]
        command += ["--max-time", str(given.seconds), "--seed", "1", "--continue-on-failure"]
        command += ["--exclude-checks", "positive_data_acceptance", "--request-timeout", "60"]
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(command, env=environment, cwd=folder, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
