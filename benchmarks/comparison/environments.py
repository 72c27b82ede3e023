"""An environment for each side: its own Python, with its own versions of everything."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_KERAS = ("keras==3.15.1", "tensorflow-cpu==2.21.0")
_TORCH = ("torch==2.13.0", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Side:
    """Who runs a task, and what it needs.

    Attributes
    ----------
    name : str
        Of the module in ``sides``.
    backend : str
        What runs the network.
    home : str
        The name of its environment.
    packages : tuple of str
        What is installed; "." is optogram itself.
    apart : tuple of str
        What is installed without what it asks for.
    networks : tuple of str
        Those that it can run; empty for all.
    """

    name: str
    backend: str
    home: str
    packages: tuple[str, ...]
    apart: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    def runs(self, network: str) -> bool:
        """Whether it has the network."""
        return not self.networks or network in self.networks


def _own(backend: str) -> list[Side]:
    """The sides that need optogram, or Keras alone, on one backend."""
    pinned = _TORCH[:1] if backend == "torch" else ()
    packages = (*pinned, f".[{backend},demo]")
    # JAX is no faster in reduced precision on a processor.
    fast = () if backend == "jax" else ("optogram_fast",)
    names = ("optogram", *fast, "products", "plain", "tutorial")
    return [Side(name, backend, backend, packages) for name in names]


_IN_TORCH = ("vgg16", "efficientnet-lite0")
SIDES = {
    "tensorflow": [
        *_own("tensorflow"),
        Side(
            "xplique",
            "tensorflow",
            "xplique",
            (
                *_KERAS,
                *("cloudpickle", "decorator", "deprecated", "dm-tree", "einops", "matplotlib"),
                *("opencv-python-headless", "scikit-image", "scikit-learn", "scipy"),
            ),
            # It asks for TensorFlow 2.20 with CUDA.
            ("xplique==2.0.2", "tensorflow-probability==0.25.0", "tf-keras==2.20.1"),
        ),
        Side(
            "tf_explain",
            "tensorflow",
            "tf_explain",
            ("tf-explain==0.3.1", "opencv-python-headless", *_KERAS),
        ),
        Side("tf_keras_vis", "tensorflow", "tf_keras_vis", ("tf-keras-vis==0.8.7", *_KERAS)),
    ],
    "torch": [
        *_own("torch"),
        Side("captum", "torch", "captum", (*_TORCH, "captum==0.9.0"), networks=_IN_TORCH),
        Side(
            "grad_cam",
            "torch",
            "grad_cam",
            (*_TORCH, "opencv-python-headless", "matplotlib", "scipy", "tqdm", "pillow"),
            ("grad-cam==1.5.7", "ttach==0.0.3", "torchvision==0.28.0"),
            networks=_IN_TORCH,
        ),
    ],
    "jax": _own("jax"),
}
"""By backend; the first is what the others are compared with."""


def python_of(side: Side, folder: Path, given: dict[str, str]) -> str:
    """The Python of a side: one that was given, or that of an environment made in ``folder``."""
    if side.home in given:
        return given[side.home]
    home = folder / side.home
    python = home / "bin" / "python"
    if not (home / "finished").exists():
        print(f"Installing {side.home} ...", file=sys.stderr, flush=True)
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        # PyTorch first: what needs it must not bring another build of it.
        first = [package for package in side.packages if package.startswith("torch==")]
        for packages in (first, list(side.packages), ["--no-deps", *side.apart]):
            if [package for package in packages if not package.startswith("--")]:
                subprocess.run([*pip, *packages], check=True, cwd=ROOT)
        (home / "finished").touch()
    return str(python)


def environment(side: Side) -> dict[str, str]:
    """The variables of a side's process."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    known = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**known, **quiet, "KERAS_BACKEND": side.backend}
