"""Photos that look the same: perceptual hashes, then a comparison of pixels."""

from itertools import pairwise

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from optogram.progress import Progress
from optogram.result.audit import DuplicateGroup

_BLOCK = 2048
_BITS = 64
_FARTHEST = 6  # bits
_ALIKE = 0.985
_EQUAL = 4.0  # gray levels, root mean square
_MOST_PAIRS = 2_000_000


def near_duplicates(copies: np.ndarray, truth: np.ndarray, progress: Progress) -> list:
    """Groups of photos that look the same, label conflicts first, then the largest.

    A pair is linked if its hashes (dHash, 64 bits: whether brightness rises from one cell of a 9×8
    grid to the next) differ in at most 6 bits, and the pixels correlate by at least 0.985 and
    differ by less than what hash and noise explain.

    Parameters
    ----------
    copies : uint8 ndarray of shape (N, s, s)
        Small gray copies; s is a multiple of 8.
    truth : int ndarray of shape (N,)
        Labels.
    progress : callable
        Told of blocks of photos.
    """
    signs = difference_hash(copies)
    pixels = _standardized(copies)
    links: list[tuple[int, int, float]] = []
    blocks = range(0, len(copies), _BLOCK)
    for count, start in enumerate(blocks, 1):
        near = (_BITS - signs[start : start + _BLOCK] @ signs[start:].T) / 2 <= _FARTHEST
        first, second = np.nonzero(np.triu(near, 1))
        first, second = first + start, second + start
        for part in range(0, len(first), _BLOCK):
            a, b = first[part : part + _BLOCK], second[part : part + _BLOCK]
            alike = np.einsum("ij,ij->i", pixels[a], pixels[b])
            apart = np.sqrt(((copies[a].astype(np.float32) - copies[b]) ** 2).mean(axis=(1, 2)))
            is_same = ((alike >= _ALIKE) | (apart < 1)) & (apart < _EQUAL * 3)
            links += zip(a[is_same], b[is_same], alike[is_same], strict=True)
        progress(count, len(blocks), "near-duplicates")
        if len(links) > _MOST_PAIRS:
            break
    return _groups(links, len(copies), truth)


def difference_hash(copies: np.ndarray) -> np.ndarray:
    """(N, 64): +1 where brightness rises to the right, -1 elsewhere, in a grid of 8×9 cells."""
    side = copies.shape[1]
    rows = copies.reshape(len(copies), 8, side // 8, side).mean(axis=2)
    edges = np.linspace(0, side, 10).round().astype(int)
    cells = np.stack([rows[..., a:b].mean(axis=-1) for a, b in pairwise(edges)], axis=-1)
    return np.where(np.diff(cells, axis=-1) > 0, 1, -1).reshape(len(copies), -1).astype(np.float32)


def _standardized(copies: np.ndarray) -> np.ndarray:
    """Pixels of each copy with mean 0 and length 1; 0 for flat ones."""
    pixels = copies.reshape(len(copies), -1).astype(np.float32)
    pixels -= pixels.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(pixels, axis=1, keepdims=True)
    return np.divide(pixels, lengths, out=np.zeros_like(pixels), where=lengths > 0)


def _groups(links: list, count: int, truth: np.ndarray) -> list[DuplicateGroup]:
    if not links:
        return []
    first, second, alike = map(np.array, zip(*links, strict=True))
    graph = coo_matrix((np.ones(len(first)), (first, second)), (count, count))
    _, group = connected_components(graph, directed=False)
    found = []
    for number in np.unique(group[first]):
        photos = np.flatnonzero(group == number)
        found.append(
            DuplicateGroup(
                tuple(map(int, photos)),
                len(np.unique(truth[photos])) > 1,
                float(alike[group[first] == number].min()),
            )
        )
    return sorted(found, key=lambda one: (not one.is_conflict, -len(one.photos), one.photos))
