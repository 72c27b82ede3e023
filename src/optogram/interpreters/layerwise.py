"""A network whose score is read from the tokens after each attention layer, as LeGrad does.

What follows the last layer (norm, pooling, classifier) is repeated for the tokens after each
layer, and no gradient passes from one layer to another: one backward pass from the sum of all
scores gives, at each layer, the gradient of the score that is read after it.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import keras

from optogram.graph.steps import Graph, Output, Step
from optogram.interpreters.attention import AttentionLayer, behind, source_of

_SUMS = ("Add", "SparsePlus")


@dataclass(frozen=True)
class Layerwise:
    """A graph with a score for each attention layer.

    Attributes
    ----------
    graph : Graph
        The graph; the steps of the network are its first.
    softmax : tuple of Output
        The weights of each attention layer there.
    scored : tuple of mapping of Output to Output
        For each layer, where each scored output is, read from the tokens after that layer.
    """

    graph: Graph
    softmax: tuple[Output, ...]
    scored: tuple[Mapping[Output, Output], ...]


def tokens_after(graph: Graph, layers: Sequence[AttentionLayer]) -> tuple[Output, ...] | None:
    """The tokens after the block of each attention layer: sums with what the block reads.

    None if a layer's output is not added to what was there before, or its tokens are not those
    that the next layer adds to.
    """
    residuals = [_residual(graph, layer) for layer in layers]
    if not residuals or None in residuals:
        return None
    sums = [pair for pair in residuals if pair is not None]
    before = [source_of(graph, read) for _, read in sums]
    last = _last_sum(graph, sums[-1][0])
    after = [*before[1:], last]
    is_chain = all(
        output.step >= made.step and made.step in graph.ancestors([output])
        for output, (made, _) in zip(after, sums, strict=True)
    )
    return tuple(after) if is_chain else None


def _residual(graph: Graph, layer: AttentionLayer) -> tuple[Output, Output] | None:
    """The first sum of what attention returns and other tokens: (sum, those tokens)."""
    after = behind(graph, Output(layer.product))
    for index in sorted(after):
        step = graph.steps[index]
        if step.kind in _SUMS and len(step.inputs) == 2:
            others = [read for read in step.inputs if read.step not in after]
            if len(others) == 1 and _is_as(graph, others[0], step):
                return Output(index), others[0]
    return None


def _is_as(graph: Graph, read: Output, step: Step) -> bool:
    """Whether ``read`` has the shape of what ``step`` returns, batch and all."""
    return graph.steps[read.step].shapes[read.index] == step.shape


def _last_sum(graph: Graph, found: Output) -> Output:
    """The last of the sums that add to ``found``: the tokens after the block."""
    for step in graph.steps[found.step + 1 :]:
        if step.kind in _SUMS and len(step.inputs) == 2:
            sources = [source_of(graph, read) for read in step.inputs]
            if found in sources and all(_is_as(graph, read, step) for read in step.inputs):
                found = Output(step.index)
    return found


def layerwise(
    graph: Graph,
    layers: Sequence[AttentionLayer],
    after: Sequence[Output],
    scored: Collection[Output],
) -> Layerwise:
    """The graph with ``scored`` read from the tokens ``after`` each of the ``layers``."""
    return _Building(graph, layers, after).built(scored)


class _Building:
    """Builds the graph: copies of what depends on attention stand behind the network's steps."""

    def __init__(
        self, graph: Graph, layers: Sequence[AttentionLayer], after: Sequence[Output]
    ) -> None:
        self._graph, self._layers, self._after = graph, layers, after
        self._steps = list(graph.steps)
        self._copies: dict[Output, Output] = {}
        self._stopped: dict[Output, Output] = {}
        self._part: dict[int, int] = {}
        for place, (layer, end) in enumerate(zip(layers, after, strict=True)):
            own = {layer.softmax.step} | behind(graph, layer.softmax)
            self._part.update(dict.fromkeys(own & graph.ancestors([end]), place))

    def built(self, scored: Collection[Output]) -> Layerwise:
        """The graph that the ``scored`` outputs are read from."""
        graph, last = self._graph, self._after[-1]
        first = self._layers[0].softmax
        changed = {first.step} | behind(graph, first)
        for index in sorted(changed & graph.ancestors(self._after)):
            step = graph.steps[index]
            self._copy(step, partial(self._read, step), self._copies)
        tail = sorted(behind(graph, last) & graph.ancestors(scored))
        found = []
        for end in self._after:
            own = {last: self._copies[end]}
            for index in tail:
                self._copy(graph.steps[index], partial(self._read_after, own), own)
            found.append({output: own[output] for output in scored})
        softmax = tuple(self._copies[layer.softmax] for layer in self._layers)
        return Layerwise(replace(graph, steps=tuple(self._steps)), softmax, tuple(found))

    def _read(self, step: Step, read: Output) -> Output:
        """What the copy of a step reads: without gradient, what another layer's part returns."""
        part = self._part.get(read.step)
        if part is not None and part != self._part.get(step.index):
            return self._constant(read)
        return self._copies.get(read, read)

    def _read_after(self, own: Mapping[Output, Output], read: Output) -> Output:
        """What the copy of a step after the last layer reads."""
        return own[read] if read in own else self._constant(read)

    def _constant(self, read: Output) -> Output:
        """An output, without gradient if it depends on attention."""
        made = self._copies.get(read)
        if made is None:
            return read
        if made not in self._stopped:
            source = self._graph.steps[read.step]
            self._stopped[made] = self._add(
                replace(
                    source,
                    name=f"{source.name}:constant",
                    kind="StopGradient",
                    operation=None,
                    run=keras.ops.stop_gradient,
                    args=(made,),
                    kwargs={},
                    inputs=(made,),
                    shapes=(source.shapes[read.index],),
                    dtypes=(source.dtypes[read.index],),
                )
            )
        return self._stopped[made]

    def _copy(
        self, step: Step, new: Callable[[Output], Output], made: dict[Output, Output]
    ) -> None:
        """Add a copy of ``step`` that reads ``new`` outputs; ``made`` gets its own."""
        args, kwargs = keras.tree.map_structure(
            lambda leaf: new(leaf) if isinstance(leaf, Output) else leaf,
            (step.args, dict(step.kwargs)),
        )
        inputs = tuple(map(new, step.inputs))
        copied = self._add(replace(step, args=args, kwargs=kwargs, inputs=inputs))
        for place in range(len(step.shapes)):
            made[Output(step.index, place)] = Output(copied.step, place)

    def _add(self, step: Step) -> Output:
        self._steps.append(replace(step, index=len(self._steps)))
        return Output(len(self._steps) - 1)
