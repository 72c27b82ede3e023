"""``optogram`` and ``python -m optogram``: the command line."""

import sys


def run() -> None:
    """Run the command line. Stopped while it is still being imported, it says nothing."""
    try:
        from optogram.cli import main

        main(prog_name="optogram")
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
