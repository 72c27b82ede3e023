"""A network as a list of steps: the Keras graph, flattened once, with nested models inlined.

A layer with a fused activation becomes two steps, ``conv1:pre`` and ``conv1``; the plain name is
the output of the layer in Keras.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
import numpy as np

from optogram.graph import layer_types
from optogram.graph.batch_size import OfBatch, opened
from optogram.graph.identities import is_identity
from optogram.graph.keras_private import following, layer_modes, nodes
from optogram.graph.keras_private.copies import Copies
from optogram.graph.keras_private.nodes import Functional
from optogram.graph.training_mode import NOTHING_TRAINED, Alone, Trained, can_be_alone

Shape = tuple[int | None, ...]
_RANK_OF_MAPS = 4


@dataclass(frozen=True)
class Output:
    """One tensor in the graph: output number ``index`` of step number ``step``."""

    step: int
    index: int = 0


@dataclass(frozen=True)
class Step:
    """One operation of the network.

    Attributes
    ----------
    index : int
        Position in the list; a step reads only outputs of earlier steps.
    name : str
        Unique name: that of the layer, if possible.
    kind : str
        Class of the layer or operation, or name of a split-off activation.
    operation : object
        The user's layer or operation; for a split-off activation, the layer it was fused into.
    run : callable
        Called with ``args`` and ``kwargs``, each `Output` in them replaced by its tensor. A layer
        runs as a copy that shares its weights: Keras changes layers when they are called.
    inputs : tuple of Output
        Outputs that the step reads, in the order of its arguments.
    shapes : tuple of tuple
        Shape of each output, batch first; None for sizes that depend on the input.
    dtypes : tuple of str
        Dtype of each output.
    half : {"", "pre", "activation"}
        Half of a layer with a fused activation; "" for other layers.
    spatial : tuple of int
        Axes of rows and columns in the layout that the operation was built for; empty if it reads
        maps of both layouts.
    path : tuple of str
        Names of the nested models and custom layers that it is in, outermost first, and its own;
        empty for a step that the model does not have.
    part : {"", "tokens", "front", "joined"}
        Part of a layer that returns tokens, see `token_grids`; "" for others, and for its map.
    is_map : bool
        Whether a first output of four axes has rows and columns of the image.
    per_image : int
        How many elements of the first axis belong to each image, such as the windows of Swin.
    is_read : bool
        False for a map of tokens that the output of the network does not depend on.
    """

    index: int
    name: str
    kind: str
    operation: Any
    run: Callable[..., Any] = field(repr=False)
    args: tuple = field(repr=False)
    kwargs: Mapping[str, Any] = field(repr=False)
    inputs: tuple[Output, ...]
    shapes: tuple[Shape, ...]
    dtypes: tuple[str, ...]
    half: str = ""
    spatial: tuple[int, ...] = (1, 2)
    path: tuple[str, ...] = ()
    part: str = ""
    is_map: bool = True
    per_image: int = 1
    is_read: bool = True

    @property
    def is_layer(self) -> bool:
        """Whether it returns what its layer does, and is no part of it."""
        return self.half != "pre" and not self.part

    @property
    def has_maps(self) -> bool:
        """Whether its first output is feature maps, (N, H, W, C)."""
        return len(self.shape) == _RANK_OF_MAPS and self.is_map

    @property
    def shape(self) -> Shape:
        """The shape of the first output."""
        return self.shapes[0]

    @property
    def shaping(self) -> Any:
        """The object that computes output shapes: ``run`` if that is a layer."""
        return self.run if hasattr(self.run, "compute_output_spec") else self.operation

    @property
    def applied(self) -> tuple[Any, ...]:
        """The operations that it applies in turn, taken out of the layers that wrap them.

        For a fused activation and `keras.layers.Activation`, this is the function or layer inside.
        """
        if self.half == "pre":
            return (self.operation,)
        if self.half == "activation":
            return nodes.applied(nodes.fused_activation(self.operation))
        return nodes.applied(self.operation)

    @property
    def passes_on(self) -> bool:
        """Whether it returns its only input, apart from the dtype."""
        if len(self.inputs) != 1 or len(self.shapes) != 1:
            return False
        if isinstance(self.operation, Returned):
            return True
        if isinstance(self.operation, _Conversion):
            return self.kind == "Cast"
        is_training = bool(self.kwargs.get("training"))
        return all(is_identity(operation, is_training) for operation in self.applied)

    @property
    def is_foreign(self) -> bool:
        """Whether it runs custom code or layers that are not inlined."""
        if self.half == "pre" or not isinstance(self.operation, keras.Layer):
            return False
        is_own = type(self.operation).__module__.startswith("keras.")
        return not is_own or isinstance(self.operation, layer_types.WITH_FOREIGN_CODE)


class Returned:
    """Output of an inlined custom layer."""


@dataclass(frozen=True)
class Graph:
    """The steps in running order.

    Attributes
    ----------
    steps : tuple of Step
        The steps.
    inputs, outputs : tuple of Output
        What the network reads and returns.
    trained : Trained
        Layers in training mode.
    rounding : {"", "folded", "bfloat16"}
        How it rounds otherwise than the model: normalizations are folded into the convolutions
        before them; large products are in bfloat16, too. "": not at all.
    """

    steps: tuple[Step, ...]
    inputs: tuple[Output, ...]
    outputs: tuple[Output, ...]
    trained: Trained = NOTHING_TRAINED
    rounding: str = ""

    def ancestors(
        self, outputs: Iterable[Output], known: Collection[Output] = ()
    ) -> frozenset[int]:
        """The indices of the steps that ``outputs`` depend on, including their own steps.

        The search stops at outputs that are ``known``.
        """
        found: set[int] = set()
        waiting = [output.step for output in outputs if output not in known]
        while waiting:
            index = waiting.pop()
            if index not in found:
                found.add(index)
                read = self.steps[index].inputs
                waiting.extend(output.step for output in read if output not in known)
        return frozenset(found)

    def sources(self, output: Output) -> tuple[Output, ...]:
        """What one output is computed from; several that an inlined layer returns are apart."""
        step = self.steps[output.step]
        is_apart = isinstance(step.operation, Returned)
        return (step.inputs[output.index],) if is_apart else step.inputs

    def behind(self, outputs: Iterable[Output]) -> frozenset[Output]:
        """All outputs that ``outputs`` are computed from, and they themselves."""
        found, waiting = set[Output](), list(outputs)
        while waiting:
            output = waiting.pop()
            if output not in found:
                found.add(output)
                waiting.extend(self.sources(output))
        return frozenset(found)

    def last_uses(self, indices: Iterable[int], keep: Iterable[Output]) -> dict[int, list[Output]]:
        """For each step, the outputs that no later step reads.

        ``indices`` are the steps that run, in order; outputs in ``keep`` are always needed.
        """
        last: dict[Output, int] = {}
        for index in indices:
            step = self.steps[index]
            last.update((Output(index, i), index) for i in range(len(step.shapes)))
            last.update((output, index) for output in step.inputs)
        for output in keep:
            last.pop(output, None)
        unneeded = defaultdict(list)
        for output, index in last.items():
            unneeded[index].append(output)
        return unneeded


def flatten(
    model: keras.Model, constants: Mapping[int, np.ndarray] | None = None, is_code: bool = False
) -> Graph:
    """The list of steps of a functional or sequential model; they compute what ``predict`` does.

    ``constants`` has the values of constant inputs, without the batch axis, by position; the first
    input is never constant. ``is_code``: the graph was traced from a ``call`` method; layers that
    it runs in training mode stay in that mode.
    """
    model, builder, constants = nodes.functional(model), _Builder(), constants or {}
    inputs: list[Output] = []
    for place, tensor in enumerate(model.inputs):
        if place in constants:
            inputs.append(builder.add_constant(tensor, constants[place], inputs[0]))
        else:
            inputs.append(builder.add_input(tensor))
    with following.no_trace():
        outputs = builder.inline(model, inputs, (), _Mode(wins=not is_code))
    fed = [source for place, source in enumerate(inputs) if place not in constants]
    return Graph(builder.steps(), tuple(fed), tuple(outputs), builder.trained())


@dataclass(frozen=True)
class _Mode:
    """The mode of a graph, and whether it overrides the mode of calls inside.

    ``batch`` is what stands for the batch size, if the graph was traced with a number.
    """

    training: bool = False
    wins: bool = False
    batch: "_Batch | None" = None

    def of(self, own: bool | None) -> bool:
        """The mode of a call with the argument ``own``."""
        return self.training if own is None or self.wins else bool(own)

    def inside(self, own: bool | None) -> "_Mode":
        """The mode of the graph of a nested model that is called with ``own``."""
        return _Mode(self.of(own), wins=True, batch=self.batch)


@dataclass(frozen=True)
class _Batch:
    """A number that stands for the batch size, and an output that has it."""

    number: int
    source: Output

    def opened(self, tensors: Sequence[keras.KerasTensor]) -> list[keras.KerasTensor]:
        """``tensors`` with an unknown batch size."""
        return [opened(tensor, self.number) for tensor in tensors]


@dataclass(frozen=True)
class _Draft:
    """A step without its final name, which depends on all other names."""

    path: tuple[str, ...]
    use: int
    kind: str
    operation: Any
    run: Callable[..., Any]
    args: tuple
    kwargs: Mapping[str, Any]
    tensors: Sequence[keras.KerasTensor]
    half: str = ""


class _Conversion:
    """An operation that Keras applies to the input of a nested model, without a layer."""


class _Builder:
    """Collects steps during traversal of the graph, then names them."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._uses: Counter[int] = Counter()
        self._conversions: dict[tuple[str, int], _Conversion] = {}
        self._returned: dict[int, Returned] = {}
        self._numbers: dict[int, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._copies = Copies()
        self._constant: set[int] = set()

        self._overruled: list[str] = []
        self._alone: list[str] = []
        self._silenced: list[str] = []
        self._switched: list[keras.Layer] = []

    def trained(self) -> Trained:
        """The layers that were called in training mode."""
        return Trained(
            tuple(self._overruled),
            tuple(self._alone),
            tuple(self._silenced),
            tuple(self._switched),
        )

    def add_input(self, tensor: keras.KerasTensor) -> Output:
        """Add the step for an input that the caller feeds."""
        layer = nodes.input_layer(tensor)
        draft = _Draft((layer.name,), 1, "InputLayer", layer, _never_run, (), {}, [tensor])
        return self._add(draft)[0]

    def add_constant(self, tensor: keras.KerasTensor, array: np.ndarray, fed: Output) -> Output:
        """Add a step for a constant input: ``array``, the same for each image."""
        layer = nodes.input_layer(tensor)
        run = partial(_repeated, array.astype(tensor.dtype))
        return self._add(_Draft((layer.name,), 1, "Constant", layer, run, (fed,), {}, [tensor]))[0]

    def inline(
        self,
        model: Functional,
        inputs: Sequence[Output],
        path: tuple[str, ...],
        mode: _Mode,
        names: Mapping[int, str] | None = None,
    ) -> list[Output]:
        """Add the steps of the functional ``model`` for ``inputs``; return its outputs.

        ``names`` replace names of calls, by the id of their first output.
        """
        known = dict(zip(map(id, model.inputs), inputs, strict=True))
        for call in nodes.calls(model):
            args, kwargs = keras.tree.map_structure(
                lambda leaf: known.get(id(leaf), leaf), (call.args, dict(call.kwargs))
            )
            name = (names or {}).get(id(call.outputs[0]), call.operation.name)
            outputs = self._add_call(call, args, kwargs, (*path, name), mode)
            known.update(zip(map(id, call.outputs), outputs, strict=True))
        return [known[id(tensor)] for tensor in model.outputs]

    def steps(self) -> tuple[Step, ...]:
        """The finished steps."""
        return tuple(
            Step(
                index=index,
                name=name,
                kind=draft.kind,
                operation=draft.operation,
                run=draft.run,
                args=draft.args,
                kwargs=draft.kwargs,
                inputs=_outputs_in((draft.args, draft.kwargs)),
                shapes=tuple(tuple(tensor.shape) for tensor in draft.tensors),
                dtypes=tuple(tensor.dtype for tensor in draft.tensors),
                half=draft.half,
                path=draft.path,
            )
            for index, (name, draft) in enumerate(
                zip(_names(self._drafts), self._drafts, strict=True)
            )
        )

    def _add(self, draft: _Draft) -> list[Output]:
        self._drafts.append(draft)
        return [Output(len(self._drafts) - 1, i) for i in range(len(draft.tensors))]

    def _add_call(
        self, call: nodes.Call, args: tuple, kwargs: dict, path: tuple, mode: _Mode
    ) -> list[Output]:
        operation = call.operation
        nested = nodes.functional(call.runs)
        if nested is not None:
            given, own = _nested_arguments(*args, **kwargs)
            self._note_overruled(operation, own, mode)
            inputs = self._standardize(nested, nodes.flat_inputs(nested, given), path)
            return self.inline(nested, inputs, path, mode.inside(own))

        fed = _read_by(call, args, kwargs)
        if nodes.takes_training(operation):
            self._note_overruled(operation, kwargs.get("training"), mode)
            kwargs["training"] = mode.of(kwargs.get("training"))
        training, numbers = kwargs.get("training", False), self._numbers[id(operation)]
        number = mode.batch.number if mode.batch else None
        inside = following.followed(call, training, self._copies, numbers, number)
        if inside is not None:
            made = self._inside(inside, fed, path, training, mode)
            outputs = mode.batch.opened(call.outputs) if mode.batch else call.outputs
            return self._add_returned(operation, made, path, outputs)
        self._uses[id(operation)] += 1
        use, kind = self._uses[id(operation)], type(operation).__name__
        nodes.build_activation(call.runs, call.outputs[0].shape)
        copied = self._copies.of(call.runs)
        if mode.batch and self._constant.issuperset(output.step for output in fed):
            return self._add_constant_call(call, copied, args, kwargs, path, mode.batch)
        outputs = mode.batch.opened(call.outputs) if mode.batch else call.outputs
        if kwargs.get("training"):
            kwargs["training"] = self._settled(call)
            if kwargs["training"] and can_be_alone(call):
                alone = Alone(copied)
                return self._add(_Draft(path, use, kind, operation, alone, args, kwargs, outputs))
        activation = nodes.fused_activation(copied)
        if activation is None:
            run = nodes.with_plain_name(copied)
            if mode.batch:
                of_batch = OfBatch(run, mode.batch.number, call.args, call.kwargs)
                run = of_batch if of_batch.is_needed else run
            return self._add(_Draft(path, use, kind, operation, run, args, kwargs, outputs))
        is_layer = isinstance(activation, keras.Layer)
        told = {"training": kwargs["training"]} if is_layer else {}
        linear = nodes.with_plain_name(nodes.without_activation(copied))
        before = self._add(_Draft(path, use, kind, operation, linear, args, kwargs, outputs, "pre"))
        run = partial(nodes.apply_activation, activation)
        name, args = getattr(activation, "__name__", type(activation).__name__), tuple(before)
        return self._add(_Draft(path, use, name, operation, run, args, told, outputs, "activation"))

    def _inside(
        self,
        inside: following.Inside,
        fed: Sequence[Output],
        path: tuple[str, ...],
        training: bool,
        mode: _Mode,
    ) -> list[Output]:
        """Add the steps inside a call that reads ``fed``."""
        held = []
        own = inside.graph.inputs[len(fed) :]
        for (name, value), symbol in zip(inside.held, own, strict=True):
            self._uses[id(value)] += 1
            use = self._uses[id(value)]
            read = partial(keras.ops.cast, value, symbol.dtype)
            held += self._add(_Draft((*path, name), use, "Constant", value, read, (), {}, [symbol]))
            self._constant.add(held[-1].step)
        batch = mode.batch
        if batch is None and inside.batch is not None:
            batch = _Batch(inside.batch, fed[0])
        within = _Mode(training, batch=batch)
        return self.inline(inside.graph, [*fed, *held], path, within, inside.names)

    def _add_constant_call(
        self,
        call: nodes.Call,
        runs: Any,
        args: tuple,
        kwargs: dict,
        path: tuple[str, ...],
        batch: _Batch,
    ) -> list[Output]:
        """Add the step of a call that reads no image, only variables; it may repeat them."""
        operation = call.operation
        of_batch = OfBatch(runs, batch.number, call.args, call.kwargs)
        outputs, use = batch.opened(call.outputs), self._uses[id(operation)]
        if of_batch.is_needed:
            shape = tuple(outputs[0].shape) if len(outputs) == 1 else ()
            runs, args = partial(_for_each_image, of_batch, shape), (batch.source, *args)
        made = self._add(_Draft(path, use, "Constant", operation, runs, args, kwargs, outputs))
        self._constant.add(made[0].step)
        return made

    def _note_overruled(self, operation: Any, own: bool | None, mode: _Mode) -> None:
        """Record that ``operation`` was called in training mode, but is run in inference mode."""
        is_asked = own and not layer_modes.trains_by_default(operation)
        if is_asked and not mode.of(own) and layer_modes.acts_in_training(operation):
            self._overruled.append(operation.name)

    def _settled(self, call: nodes.Call) -> bool:
        """Whether an operation called in training mode is run in training mode."""
        operation = call.operation
        if type(operation).__module__.startswith("keras.") and layer_modes.draws(operation):
            self._silenced.append(operation.name)
            return False
        if not isinstance(operation, keras.layers.BatchNormalization):
            return True
        self._switched.append(operation)
        if operation.trainable and can_be_alone(call):
            self._alone.append(operation.name)
        return operation.trainable

    def _add_returned(
        self,
        layer: Any,
        outputs: Sequence[Output],
        path: tuple[str, ...],
        tensors: Sequence[keras.KerasTensor],
    ) -> list[Output]:
        """Add the step that has the name of a ``layer`` whose inside was inlined."""
        operation = self._returned.setdefault(id(layer), Returned())
        self._uses[id(operation)] += 1
        kind, use = type(layer).__name__, self._uses[id(operation)]
        return self._add(
            _Draft(path, use, kind, operation, _as_they_are, tuple(outputs), {}, tensors)
        )

    def _standardize(
        self, model: keras.Model, inputs: Sequence[Output], path: tuple[str, ...]
    ) -> list[Output]:
        """Conversions that a nested model applies to its inputs: dtype, then rank."""
        standardized = []
        for source, wanted in zip(inputs, model.inputs, strict=True):
            given = self._drafts[source.step].tensors[source.index]
            if given.dtype != wanted.dtype:
                cast = partial(keras.ops.cast, dtype=wanted.dtype)
                given = keras.KerasTensor(given.shape, wanted.dtype)
                source = self._convert("Cast", cast, source, wanted, given, path)
            if len(given.shape) != len(wanted.shape):
                fewer = len(given.shape) > len(wanted.shape)
                change = partial(keras.ops.squeeze if fewer else keras.ops.expand_dims, axis=-1)
                source = self._convert("Reshape", change, source, wanted, wanted, path)
            standardized.append(source)
        return standardized

    def _convert(
        self,
        kind: str,
        run: Callable[..., Any],
        source: Output,
        wanted: keras.KerasTensor,
        made: keras.KerasTensor,
        path: tuple[str, ...],
    ) -> Output:
        """Add the step that converts ``source`` for the nested input ``wanted``."""
        operation = self._conversions.setdefault((kind, id(wanted)), _Conversion())
        self._uses[id(operation)] += 1
        full_path = (*path, nodes.input_layer(wanted).name, kind.lower())
        use = self._uses[id(operation)]
        return self._add(_Draft(full_path, use, kind, operation, run, (source,), {}, [made]))[0]


def _nested_arguments(
    inputs: Any, training: bool | None = None, mask: Any = None
) -> tuple[Any, bool | None]:
    """The arguments of a nested model's call; masks are attached to tensors."""
    return inputs, training


def _read_by(call: nodes.Call, args: tuple, kwargs: dict) -> list[Output]:
    """The outputs that a call reads, without duplicates, in order."""
    tensors = keras.tree.flatten((call.args, call.kwargs))
    sources = keras.tree.flatten((args, kwargs))
    pairs = zip(map(id, tensors), sources, strict=True)
    return list({tensor: source for tensor, source in pairs if isinstance(source, Output)}.values())


def _as_they_are(*tensors: Any) -> list[Any]:
    return list(tensors)


def _repeated(array: np.ndarray, images: Any) -> Any:
    """``array``, repeated for each image."""
    shape = (keras.ops.shape(images)[0], *array.shape)
    return keras.ops.broadcast_to(keras.ops.convert_to_tensor(array), shape)


def _for_each_image(
    operation: OfBatch, shape: Shape, images: Any, *args: Any, **kwargs: Any
) -> Any:
    """What ``operation`` makes of constants, for the batch size of ``images``."""
    made = operation.of(keras.ops.shape(images)[0], args, kwargs)
    # TensorFlow forgets all sizes where a constant is repeated as often as there are images.
    is_known = shape[:1] == (None,) and None not in shape[1:]
    return keras.ops.reshape(made, (-1, *shape[1:])) if is_known else made


def _never_run(*args: Any) -> None:
    raise AssertionError("an input is fed, not run")


def _outputs_in(structure: Any) -> tuple[Output, ...]:
    return tuple(leaf for leaf in keras.tree.flatten(structure) if isinstance(leaf, Output))


def _names(drafts: Sequence[_Draft]) -> list[str]:
    """A unique name for each draft: the shortest unique end of its path."""
    paths = {id(draft.operation): draft.path for draft in reversed(drafts)}
    lengths = dict.fromkeys(paths, 1)
    while True:
        owners = defaultdict(list)
        for key, path in paths.items():
            owners[path[-lengths[key] :]].append(key)
        clashing = [
            key
            for keys in owners.values()
            if len(keys) > 1
            for key in keys
            if lengths[key] < len(paths[key])
        ]
        if not clashing:
            break
        for key in clashing:
            lengths[key] += 1

    def name(draft: _Draft) -> str:
        key = id(draft.operation)
        again = f"@{draft.use}" if draft.use > 1 else ""
        half = ":pre" if draft.half == "pre" else ""
        return "/".join(paths[key][-lengths[key] :]) + again + half

    return [name(draft) for draft in drafts]
