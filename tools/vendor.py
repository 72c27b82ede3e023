"""Fetch the JavaScript libraries of the explorer's page: ``python tools/vendor.py``.

They come from the npm registry, by version, through ``npm pack``. ``vendor.json`` beside them has
the version, license and SHA-256 of each file; tests/test_web_vendor.py compares these. To update a
library, change its version here and run this again.
"""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

PLACE = Path(__file__).parents[1] / "src" / "optogram" / "web" / "page" / "vendor"


@dataclass(frozen=True)
class Library:
    """A package of npm, and which of its files are taken, by their names here."""

    name: str
    version: str
    license: str
    files: dict[str, str]


LIBRARIES = (
    # Minified modules, a third as large; releases from 0.186 on do not have them.
    Library(
        "three",
        "0.185.1",
        "MIT",
        {
            "three.module.min.js": "build/three.module.min.js",
            "three.core.min.js": "build/three.core.min.js",
            "three.LICENSE": "LICENSE",
        },
    ),
)


def fetch(library: Library) -> dict[str, bytes]:
    """The files of ``library``, by their names here."""
    with tempfile.TemporaryDirectory() as folder:
        package = f"{library.name}@{library.version}"
        subprocess.run(["npm", "pack", "--silent", package], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as opened:
            contents = {}
            for name, inside in library.files.items():
                member = opened.extractfile(f"package/{inside}")
                if member is None:
                    raise SystemExit(f"{package} has no file {inside}.")
                contents[name] = member.read()
    return contents


def main() -> None:
    """Write all files, and what is known of them."""
    PLACE.mkdir(exist_ok=True)
    known = []
    for library in LIBRARIES:
        contents = fetch(library)
        for name, content in contents.items():
            (PLACE / name).write_bytes(content)
        known.append(
            {
                "name": library.name,
                "version": library.version,
                "license": library.license,
                "source": f"https://www.npmjs.com/package/{library.name}/v/{library.version}",
                "files": {
                    name: hashlib.sha256(content).hexdigest() for name, content in contents.items()
                },
            }
        )
    text = json.dumps(known, indent=2) + "\n"
    (PLACE / "vendor.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
