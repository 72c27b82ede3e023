"""Steps that run as one operation: a convolution, and what alone reads it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras

from optogram import backend
from optogram.graph.steps import Graph, Output, Step

_MERGED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


@dataclass(frozen=True)
class Chain:
    """A convolution, and the batch normalization, the rectifier or both that follow it.

    Attributes
    ----------
    convolution : Step
        The convolution, without an activation.
    normalization, rectifier : Step or None
        What alone reads the step before it. The backend knows whether the latter, one operation on
        one map, is a rectifier.
    """

    convolution: Step
    normalization: Step | None = None
    rectifier: Step | None = None

    @property
    def earlier(self) -> tuple[Step, ...]:
        """The steps but the last one: their outputs are never made."""
        is_longest = self.normalization is not None and self.rectifier is not None
        middle = (self.normalization,) if is_longest else ()
        return (self.convolution, *(step for step in middle if step is not None))

    def merged(self, layer: Any) -> Callable[[Mapping[Output, Any]], list[Any]] | None:
        """One operation that does all, if that is faster.

        ``layer`` is the layer of the convolution, or a view of it.
        """
        normalization = None if self.normalization is None else self.normalization.run
        rectifier = None if self.rectifier is None else self.rectifier.applied[0]
        run = backend.current().merged(layer, normalization, rectifier)
        if run is None:
            return None
        source = self.convolution.inputs[0]
        return lambda tensors: [run(tensors[source])]


def chains(
    graph: Graph, step: Step, indices: Sequence[int], unneeded: Mapping[int, Collection[Output]]
) -> Iterator[Chain]:
    """The chains that end with ``step``, the longest first.

    Of the steps ``indices``, which run in order; after each, some outputs are ``unneeded``. What
    the convolution reads is needed until the end of the chain. Only a graph that may round in
    another way than the model has normalizations in them.
    """

    def follows(step: Step) -> Step | None:
        """The step whose output ``step`` alone reads, if it is run."""
        if len(step.inputs) != 1 or step.inputs[0] not in unneeded.get(step.index, ()):
            return None
        before = graph.steps[step.inputs[0].step]
        readers = [index for index in indices if step.inputs[0] in graph.steps[index].inputs]
        return before if before.index in indices and readers == [step.index] else None

    def is_convolution(before: Step | None) -> bool:
        return (
            before is not None
            and bool(before.inputs)  # not the image
            and type(before.run) in _MERGED
            and before.half != "activation"
            and not getattr(before.run, "quantization_mode", None)
        )

    def is_kept(convolution: Step) -> bool:
        between = [index for index in indices if convolution.index < index < step.index]
        freed = {output for index in between for output in unneeded.get(index, ())}
        return freed.isdisjoint(convolution.inputs)

    def is_folded(normalization: Step | None, convolution: Step | None) -> bool:
        if normalization is None or convolution is None or not is_convolution(convolution):
            return False
        layer: Any = normalization.run
        if type(layer) is not keras.layers.BatchNormalization:
            return False
        sources = graph.steps[convolution.inputs[0].step]
        dtypes = {*normalization.dtypes, *convolution.dtypes, *sources.dtypes}
        is_last = layer.axis % len(normalization.shape) == len(normalization.shape) - 1
        is_inference = not normalization.kwargs.get("training")
        return bool(graph.rounding) and dtypes == {"float32"} and is_last and is_inference

    before = follows(step)
    if before is None:
        return
    first = follows(before)
    is_single = len(step.applied) == 1 and before.dtypes == step.dtypes
    if is_single and first is not None and is_folded(before, first) and is_kept(first):
        yield Chain(first, before, step)
    if not is_kept(before):
        return
    if is_folded(step, before):
        yield Chain(before, step)
    elif is_single and is_convolution(before):
        yield Chain(before, None, step)
