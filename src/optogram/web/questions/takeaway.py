"""What is taken away: a result as a file, and the report."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from optogram.errors import InputError
from optogram.network.network import Network
from optogram.reporting.report import report as write_report
from optogram.web.asking import MODEL, PHOTO, TARGET, Parameter, Tell, question
from optogram.web.packing import Answer
from optogram.web.photos import Photo
from optogram.web.questions.why import EXPLAINED_LAYER, METHOD, explained
from optogram.web.workspace import Workspace

_MOST_REPORTED = 50


def _photos(workspace: Workspace, text: str) -> list[Photo]:
    names = text.split(",")
    if len(names) > _MOST_REPORTED:
        raise InputError(f"A report takes at most {_MOST_REPORTED} photos here: use the command.")
    return [workspace.photo(name) for name in names]


PHOTOS = Parameter(
    "photos",
    f"Identifiers of up to {_MOST_REPORTED} photos, separated by commas.",
    {"type": "string", "pattern": "^[0-9a-f]{16}(,[0-9a-f]{16})*$"},
    _photos,
)


@question(MODEL, PHOTO, TARGET, METHOD, EXPLAINED_LAYER, is_long=True, has_numbers=False)
def result_file(
    workspace: Workspace,
    tell: Tell,
    model: Network,
    photo: Photo,
    target: str,
    method: str,
    layer: str,
) -> Answer:
    """An attribution as a file for `optogram.load_result`: the bytes of an .npz."""
    result = explained(workspace, tell, model, photo, target, method, layer)
    with tempfile.TemporaryDirectory() as folder:
        path = result.save(Path(folder) / "result.npz")
        content = np.frombuffer(path.read_bytes(), np.uint8)
    return Answer({"name": f"{Path(photo.name).stem}-{method}.npz"}, {"content": content})


@question(MODEL, PHOTOS, is_long=True, is_kept=False, has_numbers=False)
def report(workspace: Workspace, tell: Tell, model: Network, photos: list[Photo]) -> Answer:
    """The report on photos, one self-contained HTML page: its bytes."""
    with tempfile.TemporaryDirectory() as folder:
        sources = [_named(photo) for photo in photos]
        page = write_report(model, sources, Path(folder) / "report", progress=tell.progress)
        content = np.frombuffer(page.read_bytes(), np.uint8)
    return Answer({"name": "report.html"}, {"content": content})


def _named(photo: Photo) -> Any:
    """The photo as `optogram.report` reads it, with its name if it can have one."""
    if not isinstance(photo.source, bytes):
        return photo.source
    content = io.BytesIO(photo.source)
    content.name = photo.name
    return content
