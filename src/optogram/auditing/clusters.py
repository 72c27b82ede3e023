"""Clusters of explanations: spectral relevance analysis."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.cluster.vq import ClusterError, kmeans2
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.linalg import eigsh
from scipy.spatial import cKDTree

_NEIGHBORS = 10
_EIGENVALUES = 32
_MOST_CLUSTERS = 8
_FEWEST = 20
"""Explanations of a class that are clustered, at least; fewer are one cluster."""
_MOST = 4000
_REPETITIONS = 8


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of the explanations of one class.

    Attributes
    ----------
    number : int ndarray of shape (n,)
        Cluster of each explanation, the largest is 0; -1 where the explanation is zero.
    eigenvalues : ndarray
        Smallest eigenvalues of the normalized Laplacian; a large gap after the k-th suggests k
        clusters.
    """

    number: np.ndarray
    eigenvalues: np.ndarray

    def members(self) -> Iterator[np.ndarray]:
        """The explanations of each cluster."""
        for number in range(self.number.max(initial=-1) + 1):
            yield np.flatnonzero(self.number == number)


def spray(maps: np.ndarray, seed: int) -> Clustering:
    """Spectral clustering of normalized explanations (n, h, w).

    Lapuschkin et al., "Unmasking Clever Hans predictors and assessing what machines really learn"
    (2019), SpRAy: a symmetric graph of the 10 nearest neighbors, the 32 smallest eigenvalues of
    its normalized Laplacian (Ng, Jordan and Weiss 2002), as many clusters as there are before the
    largest gap, k-means on the eigenvectors. At most 8 clusters. Of more than 4000 explanations,
    4000 drawn at random are clustered; the others follow the nearest of these.
    """
    flat = maps.reshape(len(maps), -1)
    number = np.full(len(maps), -1)
    known = np.flatnonzero(flat.sum(axis=1) > 0)
    if len(known) < _FEWEST:
        number[known] = 0
        return Clustering(number, np.zeros(0))
    generator = np.random.default_rng(seed)
    drawn = np.sort(generator.permutation(known)[:_MOST])
    eigenvalues, vectors = _spectrum(flat[drawn], generator)
    most = min(_MOST_CLUSTERS, len(eigenvalues) - 1)
    count = int(np.diff(eigenvalues[: most + 1]).argmax()) + 1
    found = _k_means(vectors[:, :count], count, generator) if count > 1 else np.zeros(len(drawn))
    order = np.argsort(-np.bincount(found.astype(int), minlength=count), kind="stable")
    found = np.argsort(order)[found.astype(int)]
    number[drawn] = found
    others = np.setdiff1d(known, drawn)
    if len(others):
        number[others] = found[cKDTree(flat[drawn]).query(flat[others])[1]]
    return Clustering(number, eigenvalues)


def typical(maps: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` members whose explanations are nearest to the mean of all members."""
    flat = maps[members].reshape(len(members), -1)
    distance = np.linalg.norm(flat - flat.mean(axis=0), axis=1)
    return members[np.argsort(distance, kind="stable")[:count]]


def _spectrum(points: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The smallest eigenvalues of the normalized Laplacian, and the eigenvectors as columns."""
    count = len(points)
    _, nearest = cKDTree(points).query(points, k=min(_NEIGHBORS + 1, count))
    rows = np.repeat(np.arange(count), nearest.shape[1])
    graph: csr_matrix = coo_matrix(
        (np.ones(len(rows)), (rows, nearest.ravel())), (count, count)
    ).tocsr()
    graph = graph.maximum(graph.T)
    graph.setdiag(0)
    scale = diags(1 / np.sqrt(np.maximum(np.asarray(graph.sum(axis=1)).ravel(), 1)))
    # The largest of D^-1/2 W D^-1/2 are 1 minus the smallest of the Laplacian.
    wanted = min(_EIGENVALUES, count - 2)
    values, vectors = eigsh(
        scale @ graph @ scale, wanted, which="LA", v0=generator.uniform(size=count)
    )
    order = np.argsort(-values, kind="stable")
    return 1 - values[order], vectors[:, order]


def _k_means(vectors: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """The cluster of each row, of several runs the one with the smallest distances."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    best, least = np.zeros(len(rows), int), np.inf
    for _ in range(_REPETITIONS):
        try:
            start = _far_apart(rows, count, generator)
            centers, found = kmeans2(rows, start, minit="matrix", missing="raise")
        except ClusterError:  # a cluster became empty
            continue
        distance = float(((rows - centers[found]) ** 2).sum())
        if distance < least:
            best, least = found, distance
    return best


def _far_apart(rows: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    """A random row, then ``count`` - 1 times the row farthest from those taken."""
    centers = [rows[generator.integers(len(rows))]]
    for _ in range(count - 1):
        distance = np.min([((rows - center) ** 2).sum(axis=1) for center in centers], axis=0)
        centers.append(rows[distance.argmax()])
    return np.array(centers)
