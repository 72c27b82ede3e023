"""The pages of an audit: one on the whole set, one for each photo that it lists."""

import json
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from optogram.auditing.observing import Explainer
from optogram.errors import OutputError
from optogram.files import MARK, kind_at, require_place
from optogram.network.network import Network, Prediction
from optogram.pages import templates, title_of, write_text
from optogram.pictures.prepared import PreparedPhotos, is_prepared
from optogram.progress import Progress
from optogram.render import Scale, data_uri, overlay, visible
from optogram.result import Audit
from optogram.result.audit import Suspect
from optogram.target import Class

_THUMBNAIL = 120
_PIECE = 72  # height in pixels
_LARGE = 480
_BATCH = 16
_QUALITY = 82
_CONFUSIONS, _PER_CONFUSION = 8, 6
_GROUPS, _PER_GROUP = 24, 6
_CLASSES = 40
_MATRIX = 20
_CROPS = 12
_AVERAGED = 48


@dataclass(frozen=True)
class Shown:
    """A photo that the page lists.

    Attributes
    ----------
    number : int
        Its number in the audit.
    name, file : str
        Its name, and the name of its page.
    thumbnail : str
        Data URI.
    why : str
        Data URI of its explanation over it: of predicted minus label for a mistake, else of the
        label.
    """

    number: int
    name: str
    file: str
    thumbnail: str
    why: str


@dataclass(frozen=True)
class Region:
    """Pictures of a suspect: photos as the network sees them, pieces, and their mean."""

    suspect: Suspect
    photos: tuple[str, ...]
    pieces: tuple[str, ...]
    mean: str


def check_place(folder: Path) -> Path:
    """Create the folder of the pages; raise OutputError unless they can be written into it."""
    photos = folder / "photos"
    try:
        photos.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder), tempfile.TemporaryFile(dir=photos):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        place = folder if kind_at(folder) == "file" else photos
        raise OutputError(f"{place} is a file: give another folder for the audit.") from error
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
    require_place(folder / "index.html")
    require_place(folder / "audit.json")
    return folder


def write_pages(
    folder: Path,
    net: Network,
    result: Audit,
    copies: np.ndarray,
    sources: Sequence[Any],
    explainer: Explainer,
    fit: str | None,
    memory: float | str | None,
    progress: Progress,
) -> None:
    """Write the pages of the photos, the JSON file, and last ``index.html``."""
    environment = templates("auditing")
    environment.filters["number"] = "{:,}".format
    listed = result.parameters["listed"]
    confusions = result.confusions[:_CONFUSIONS]
    clusters = _shown_clusters(result)
    numbers = list(
        dict.fromkeys(
            int(photo)
            for photo in (
                *result.mistakes[:listed],
                *result.unsure[:listed],
                *(one.photo for one in result.suspected_labels[:listed]),
                *(i for one in confusions for i in one.photos[:_PER_CONFUSION]),
                *(i for one in result.duplicates[:_GROUPS] for i in one.photos[:_PER_GROUP]),
                *(i for found in clusters.values() for one in found for i in one.typical),
            )
        )
    )
    files = dict(zip(numbers, _files([result.photos[i] for i in numbers]), strict=True))
    shown: dict[int, Shown] = {}
    photo_page = environment.get_template("photo.html.j2")
    for start in range(0, len(numbers), _BATCH):
        batch = numbers[start : start + _BATCH]
        for photo, content in _photos(net, result, batch, files, sources, explainer, fit, memory):
            shown[photo.number] = photo
            write_text(folder / "photos" / f"{photo.file}.html", photo_page.render(**content))
        progress(start + len(batch), len(numbers) + 1, "pages of photos")
    figures = {"made_by": MARK, **result.as_json()}
    write_text(folder / "audit.json", json.dumps(figures, ensure_ascii=False, indent=1))
    page = environment.get_template("audit.html.j2").render(
        mark=MARK,
        net=net,
        title=title_of(net),
        audit=result,
        shown=shown,
        listed=listed,
        confusions=confusions,
        matrix=_matrix(result),
        clusters=clusters,
        heats=_heats(result, copies, clusters),
        regions=[_region(net, one, sources, fit) for one in result.suspects],
        made=datetime.fromisoformat(result.provenance["time"]).strftime("%d %B %Y, %H:%M UTC"),
        per_confusion=_PER_CONFUSION,
        groups=_GROUPS,
        per_group=_PER_GROUP,
    )
    write_text(folder / "index.html", page)


def _files(names: Iterable[str]) -> list[str]:
    """A unique file name without ending for each photo."""
    taken: set[str] = set()
    found = []
    for name in names:
        stem = (
            re.sub(r"[^\w.-]+", "-", str(Path(name).with_suffix(""))).strip("-.")[-80:] or "photo"
        )
        unique, count = stem, 1
        while unique.casefold() in taken:
            count += 1
            unique = f"{stem}-{count}"
        taken.add(unique.casefold())
        found.append(unique)
    return found


def _photos(
    net: Network,
    result: Audit,
    batch: Sequence[int],
    files: dict[int, str],
    sources: Sequence[Any],
    explainer: Explainer,
    fit: str | None,
    memory: float | str | None,
) -> Iterable[tuple[Shown, dict[str, Any]]]:
    """The photos of a batch, and the content of the page of each."""
    prepared = [_prepared(net, sources[i], fit) for i in batch]
    x = np.concatenate([np.asarray(one) for one in prepared])
    ranked = net.ranked(net.scores(x, memory), min(5, net.head.classes))
    truth, predicted = (
        [int(array[i]) for i in batch] for array in (result.truth, result.predicted)
    )
    wrong = [a != b for a, b in zip(truth, predicted, strict=True)]
    own = explainer.maps(net, x, [Class(index) for index in truth])
    signed = {"rectify": False} if explainer.method.__name__ == "gradcam" else {}
    contrast = Explainer(explainer.method, {**explainer.settings, **signed}).maps(
        net,
        x,
        [
            Class(b) - Class(a) if is_wrong else Class(a)
            for a, b, is_wrong in zip(truth, predicted, wrong, strict=True)
        ],
    )
    seen = visible_pictures(net, x)
    for row, number in enumerate(batch):
        picture, where = _below(prepared[row], seen[row])
        large = _at_most(picture, _LARGE)

        def laid_over(
            below: Image.Image, values: np.ndarray, where: Any = where, is_contrast: bool = False
        ) -> Image.Image:
            most = float(np.abs(values).max())
            scale = Scale(-most, most) if is_contrast and signed else None
            return overlay(below, values, bar=False, where=where, scale=scale)

        why = contrast[row] if wrong[row] else own[row]
        small = laid_over(_at_most(picture, _THUMBNAIL), why, is_contrast=wrong[row])
        one = Shown(
            number,
            result.photos[number],
            files[number],
            _jpeg(_at_most(picture, _THUMBNAIL)),
            _jpeg(_at_most(small, _THUMBNAIL)),
        )
        pictures = [("The photo", _jpeg(large))]
        if wrong[row]:
            a, b = (result.labels[index] for index in (truth[row], predicted[row]))
            pictures.append(
                (
                    f"For {b} (red) and for {a} (blue)" if signed else f"{b} − {a}",
                    _jpeg(laid_over(large, contrast[row], is_contrast=True)),
                )
            )
        pictures.append((f"For {result.labels[truth[row]]}", _jpeg(laid_over(large, own[row]))))
        yield (
            one,
            {
                "mark": MARK,
                "audit": result,
                "photo": one,
                "is_wrong": wrong[row],
                "truth": truth[row],
                "predictions": _with_label(net, result, number, ranked[row]),
                "pictures": pictures,
                "duplicates": next(
                    (one for one in result.duplicates if number in one.photos), None
                ),
                "files": files,
            },
        )


def _with_label(
    net: Network, result: Audit, number: int, ranked: list[Prediction]
) -> list[Prediction]:
    """The most probable classes, with the label if it is not among them."""
    index = int(result.truth[number])
    if any(one.index == index for one in ranked):
        return ranked
    own = Prediction(
        index, net.labels.ids[index], net.labels.names[index], float(result.values[number])
    )
    return [*ranked, own]


def _prepared(net: Network, source: Any, fit: str | None) -> np.ndarray:
    """One photo as a batch that keeps its picture."""
    if is_prepared(source):
        return net.prepare(source, fit)
    return net.prepare([source], fit, net.nominal_size if None in net.size else None)


def visible_pictures(net: Network, x: np.ndarray) -> list[Image.Image]:
    """Prepared photos as pictures."""
    return [visible(one) for one in net.display(x)]


def _below(x: np.ndarray, seen: Image.Image) -> tuple[Image.Image, Any]:
    """The photo, and the rectangle of it that the network saw; else what the network saw."""
    photos = x.photos if isinstance(x, PreparedPhotos) else None
    if not photos or photos[0].kept is None:
        return seen, None
    return visible(photos[0].kept), photos[0].seen


def _at_most(image: Image.Image, side: int) -> Image.Image:
    """The picture at most ``side`` pixels large; a small one is enlarged by a whole factor."""
    factor = side // max(image.size)
    if factor > 1:
        size = (image.width * factor, image.height * factor)
        return image.resize(size, Image.Resampling.NEAREST)
    smaller = image.copy()
    smaller.thumbnail((side, side), Image.Resampling.LANCZOS)
    return smaller


def _jpeg(image: Image.Image) -> str:
    return data_uri(image, "jpeg", quality=_QUALITY)


def _shown_clusters(result: Audit) -> dict[int, list[Any]]:
    """The clusters of each class of the page: those with most photos."""
    counts = np.bincount(result.truth, minlength=len(result.labels))
    shown = sorted(result.classes, key=lambda index: -counts[index])[:_CLASSES]
    return {
        index: [one for one in result.clusters if one.of_class == index] for index in sorted(shown)
    }


def _heats(
    result: Audit, copies: np.ndarray, clusters: dict[int, list[Any]]
) -> dict[tuple[int, int | None], str]:
    """The mean explanation over the mean photo, of each class and cluster."""

    def drawn(photos: np.ndarray) -> str:
        mean = np.rint(copies[photos].mean(axis=0)).astype(np.uint8)
        below = Image.fromarray(mean).resize((160, 160), Image.Resampling.BICUBIC)
        heat = result.maps[photos].mean(axis=0)
        return _jpeg(overlay(below.convert("RGB"), heat, bar=False))

    heats: dict[tuple[int, int | None], str] = {}
    for index, found in clusters.items():
        own = result.truth == index
        heats[index, None] = drawn(own)
        for one in found:
            heats[index, one.number] = drawn(own & (result.cluster == one.number))
    return heats


def _matrix(result: Audit) -> tuple[list[int], list[list[int]]] | None:
    """Classes and counts of the confusion matrix; None if there are too many classes."""
    classes = sorted({*result.classes, *map(int, np.unique(result.predicted))})
    if len(classes) > _MATRIX:
        return None
    place = {index: number for number, index in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), int)
    for a, b in zip(result.truth, result.predicted, strict=True):
        counts[place[int(a)], place[int(b)]] += 1
    return classes, counts.tolist()


def _region(net: Network, suspect: Suspect, sources: Sequence[Any], fit: str | None) -> Region:
    """The pictures of a suspect."""
    photos = suspect.photos[:_AVERAGED]
    x = np.concatenate([np.asarray(_prepared(net, sources[i], fit)) for i in photos])
    pictures = visible_pictures(net, x)
    height, width = x.shape[1:3]
    top, left, bottom, right = suspect.region
    box = (
        int(left * width),
        int(top * height),
        max(round(right * width), 1),
        max(round(bottom * height), 1),
    )
    pieces = [picture.crop(box) for picture in pictures]
    mean = np.mean([np.asarray(piece.convert("RGB"), np.float32) for piece in pieces], axis=0)
    return Region(
        suspect,
        tuple(_jpeg(_at_most(picture, _THUMBNAIL)) for picture in pictures[:_CROPS]),
        tuple(map(_enlarged, pieces[:_CROPS])),
        _enlarged(Image.fromarray(np.rint(mean).astype(np.uint8))),
    )


def _enlarged(piece: Image.Image) -> str:
    width = max(1, round(piece.width * _PIECE / piece.height))
    return _jpeg(piece.resize((width, _PIECE), Image.Resampling.BICUBIC))
