"""Kernels that execute the pages, forked from one process that has imported Keras and optogram.

``start`` runs this file as that process. TensorFlow begins its threads when it first computes, so
after the fork. Every page still has a process of its own.
"""

import atexit
import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from importlib.metadata import EntryPoint
from pathlib import Path

from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

IMPORTED = ("ipykernel.kernelapp", "matplotlib_inline.backend_inline", "tensorflow", "optogram")
_ADDRESS = "OPTOGRAM_FORKED_KERNELS"
_SECONDS_TO_LOOK = 1.0


def start() -> None:
    """Have all Python kernels that this process and its children launch be forked."""
    folder = tempfile.TemporaryDirectory()
    os.environ[_ADDRESS] = str(Path(folder.name) / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.environ[_ADDRESS])
        listening.listen()
        number = listening.fileno()
        process = subprocess.Popen([sys.executable, __file__, str(number)], pass_fds=[number])
    atexit.register(folder.cleanup)
    atexit.register(process.terminate)
    factory = KernelProvisionerFactory.instance()
    entry = EntryPoint("forked", f"{Path(__file__).stem}:Provisioner", factory.GROUP_NAME)
    factory.provisioners["forked"] = entry
    factory.default_provisioner_name = "forked"


class Provisioner(LocalProvisioner):
    """Launches kernels by asking the process that forks them."""

    async def launch_kernel(self, cmd, **kwargs):
        """Launch ``cmd`` if it is Python's kernel; others are not known to that process."""
        if cmd[1:3] != ["-m", "ipykernel_launcher"]:
            return await super().launch_kernel(cmd, **kwargs)
        self.process = Forked(cmd, kwargs.get("cwd"), kwargs.get("env") or dict(os.environ))
        self.pid = self.pgid = self.process.pid
        return self.connection_info


class Forked:
    """A forked kernel, which `LocalProvisioner` uses as it does a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, command: list[str], folder: str | None, environment: dict[str, str]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(os.environ[_ADDRESS])
        question = {"command": command, "folder": folder, "environment": environment}
        self._connection.sendall(json.dumps(question).encode() + b"\n")
        answer = self._connection.makefile().readline()
        if not answer:
            raise RuntimeError("The process that forks kernels has ended; its error is above.")
        self.pid = int(answer)

    def poll(self) -> int | None:
        """None while the kernel runs: it holds the connection open."""
        ended, _, _ = select.select([self._connection], [], [], 0)
        return 0 if ended else None

    def wait(self) -> int:
        """Wait until the kernel has ended."""
        self._connection.recv(1)
        self._connection.close()
        return 0

    def send_signal(self, number: int) -> None:
        """Send a signal to the kernel."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End the kernel at once."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)


def _serve(listening: socket.socket) -> None:
    """Fork a kernel for each connection, as long as the process that started this one lives."""
    parent = os.getppid()
    # matplotlib reads it when it is imported; ipykernel would set it for itself.
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    for name in IMPORTED:
        importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended kernels are not waited for
    while os.getppid() == parent:
        ready, _, _ = select.select([listening], [], [], _SECONDS_TO_LOOK)
        if not ready:
            continue
        connection, _ = listening.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listening.close()
            _be_kernel(connection)
        connection.close()


def _be_kernel(connection: socket.socket) -> None:
    """Become the kernel that ``connection`` asks for."""
    from ipykernel.kernelapp import IPKernelApp

    question = json.loads(connection.makefile().readline())
    os.setsid()
    os.chdir(question["folder"] or ".")
    os.environ.update(question["environment"])
    connection.sendall(f"{os.getpid()}\n".encode())
    sys.argv = [*question["command"][2:], f"--IPKernelApp.parent_handle={os.getppid()}"]
    with contextlib.suppress(KeyboardInterrupt):
        IPKernelApp.launch_instance()
    os._exit(0)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
