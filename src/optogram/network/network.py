"""An opened network."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from optogram.arguments import checked, whole
from optogram.errors import InputError, ModelError
from optogram.graph import layer_types
from optogram.graph.channels_last import channels_last
from optogram.graph.selection import select
from optogram.graph.snapshot import Snapshot
from optogram.graph.steps import Graph, Output, Returned, Step
from optogram.graph.token_grids import Placed, with_token_maps
from optogram.interpreters import determinism
from optogram.interpreters.ends.head import logits_warning
from optogram.interpreters.geometry import sized
from optogram.interpreters.own_preparation import own_preparation
from optogram.network import layer_names
from optogram.network.labels import numbered, read_labels
from optogram.network.layer import Layer, describe, summary
from optogram.network.predictions import Prediction as Prediction
from optogram.network.predictions import Predictor
from optogram.pictures.preparation import preparation
from optogram.pictures.resample import require_resample

_MOVING = ("GetItem", "Pad", "Reshape", "Roll", "Transpose")
"""Kinds of operations that return what they read, at other places."""
_MOVING_TOKENS = ("Concatenate", *_MOVING)
"""Kinds of steps whose tokens are those of others."""


class Network(Predictor):
    """A Keras 3 model, opened. The model itself is never changed.

    Parameters
    ----------
    model : keras.Model
        Functional, sequential or subclassed; of several inputs one takes images, (N, H, W, C) or
        channels first.
    preprocess : str, pair of callables or Preparation, optional
        How pixels 0..255 are converted to the units that the model was trained on: "caffe", "tf",
        "torch", "unit" (0..1), "lite", "none", or a pair (forward, inverse) of callables on arrays
        (..., C). None: "none" if the model preprocesses pixels itself, by layers or operations
        before its first weights; else "unit", with a warning. There is also a warning if images
        would be preprocessed twice.
    labels : sequence of str, path or Labels, optional
        Class names in order; a text file has one per line.
    origin : str, optional
        Where the model came from; part of the provenance of every result.
    warnings : sequence of str, optional
        Further warnings about the model.
    input : str, optional
        Name of the image input. None: the only input that can be an image. Inputs of a subclassed
        model are named by key, argument or position (``input_0``); nested keys are joined by dots.
    fixed : mapping of str to array, optional
        Constant values of the other inputs, without a batch axis; a number fills the array.
    resample : {"lanczos", "bilinear", "nearest", "area"}
        How photos are resized to the input size unless a call says otherwise. Choose what the
        network was trained on; see `prepare`.
    name : str, optional
        Name of the network in titles and messages. None: the name of the model.
    output : str, optional
        Name of the output to explain. None: the only one. Outputs of a subclassed model are named
        by key, nested keys joined by dots (``heads.species``), or by layer.

    Attributes
    ----------
    model : keras.Model
        The model.
    name, origin : str
        Name of the network (that of its file, or of the model), and where it came from.
    graph : Graph
        The list of steps.
    layers : tuple of Layer
        The layers that `summary` lists: the steps, with the two halves of a layer as one.
    head : Head
        How scores and probabilities are read from the network.
    labels : Labels
        Class names.
    preparation : Preparation
        Conversion of pixels to network units, and back.
    resample : str
        How photos are resized to the input size.
    size : tuple of int or None
        Input (height, width); None where any size is accepted.
    channels : int
        Number of image channels.
    takes_pixels : bool
        Whether the network preprocesses pixels 0..255 itself.
    warnings : tuple of str
        Warnings given, and others, such as that the preprocessing is a guess or does not fit, or
        that logits are not available. Every result has them too.
    obtained : str
        How to obtain a network, for error messages.
    is_opaque : bool
        Whether the model is code that cannot be traced: a single step, without layers.
    choices : dict
        The arguments ``input``, ``fixed`` and ``output``.
    outputs : dict of str to tuple
        Shapes of all outputs of the model, batch first, by name.

    Raises
    ------
    ModelError
        If the model was never built, or takes no images.
    InputError
        If the preparation, the labels or the choice of inputs and output do not fit the model.
    BackendError
        If Keras's backend is missing or cannot compute gradients.
    """

    obtained = "open a model with optogram.Network(model), a name or file with optogram.load(…)"

    @checked
    def __init__(
        self,
        model: Any,
        preprocess: Any = None,
        labels: Any = None,
        origin: str = "a model in memory",
        warnings: Sequence[str] = (),
        *,
        input: str | None = None,
        fixed: Mapping[str, Any] | None = None,
        output: str | None = None,
        resample: str = "lanczos",
        name: str | None = None,
    ) -> None:
        if not isinstance(model, keras.Model):
            raise ModelError(
                f"Expected a Keras 3 model, got an object of type {type(model).__name__}: "
                "build or load one with keras, or give optogram.load a name or a file."
            )
        self.resample = require_resample(resample)
        snapshot = Snapshot(model)
        part = select(model, input, fixed, output)
        graph = with_token_maps(channels_last(sized(part.graph)))
        self.size, self.channels = _image_input(graph, model.name)
        super().__init__(graph, model.name if name is None else name, model.variables)
        self.model = model
        self.origin = origin
        self.choices: dict[str, Any] = {"input": input, "fixed": fixed, "output": output}
        self.outputs = dict(part.outputs)
        self.is_opaque = part.is_opaque
        self.warnings = (*warnings, *part.graph.trained.warnings())
        if self.head.is_hidden:
            self.warnings += (logits_warning(self.head),)
        self.warnings += determinism.warnings_about_answers(
            self.graph, self.head.logits, model, self.variables
        )
        self._own = own_preparation(self.graph)
        self.takes_pixels = self._own is not None and self._own.takes_pixels
        is_given = preprocess is not None
        if preprocess is None:
            preprocess = self._own.default if self._own else "unit"
        self.preparation = preparation(preprocess, self.channels)
        self.warnings += self._warnings_about_preparation(is_given)
        self.labels = (
            numbered(self.head.classes)
            if labels is None
            else read_labels(labels, self.head.classes)
        )
        self._steps = {step.name: step for step in self.graph.steps}
        self.layers = tuple(self[step.name] for step in self.graph.steps if step.is_layer)
        snapshot.leave_out_changes(step.run for step in self.graph.steps)
        snapshot.add_trainable(part.graph.trained.switched)
        self._snapshot = snapshot

    # -- layers ---------------------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"<Network {self.name!r} from {self.origin}, {len(self.graph.steps)} steps>"

    @checked
    def __getitem__(self, name: str) -> Layer:
        """The layer (or half of a layer, ``conv1:pre``) called ``name``."""
        self.require_unchanged()
        return describe(self.step(name), self.geometry(self.nominal_size))

    @checked
    def step(self, name: str) -> Step:
        """The step called ``name``.

        Raises
        ------
        InputError
            If there is none; the message suggests similar names.
        """
        if name not in self._steps:
            self.require_layers()
            raise layer_names.unknown(name, self._steps, self.name)
        return self._steps[name]

    @checked
    def layer_names(
        self, layers: str | Sequence[str], kinds: tuple[type, ...] = (object,)
    ) -> list[str]:
        """The names of the layers that ``layers`` stands for, each once.

        Parameters
        ----------
        layers : str or sequence of str
            Names, or patterns such as "block*_conv3" (``*`` any text, ``?`` one character,
            ``[abc]`` one of these). A pattern stands for all layers with feature maps that match
            it, in the order of the network. A layer whose name looks like a pattern is found by
            its name.
        kinds : tuple of classes
            Kinds of layers that patterns stand for. By default all.

        Raises
        ------
        InputError
            If a name is unknown, or a pattern matches nothing.
        """
        names = [layers] if isinstance(layers, str) else layers
        if not self._steps.keys() >= set(names):
            self.require_layers()
        return layer_names.matching(names, self._steps, self.name, kinds)

    @checked
    def map_layers(self, size: tuple[int, int] | None = None) -> dict[str, tuple[int, int]]:
        """The layers that can be explained, in order, and the (height, width) of their maps.

        These are the steps between image and score with feature maps larger than 1×1, except
        inputs, pooling, padding, dropout, resizing, and preprocessing of the image.

        Parameters
        ----------
        size : (height, width), optional
            Size of the image. None: the size that the network takes, or 224×224 if it takes any.
        """
        size = self.nominal_size if size is None else size
        height, width = (whole("size, height and width,", side, 1) for side in size)
        key = "map layers", height, width
        return dict(self.plans.get(key, lambda: self._map_layers((height, width))))

    def _map_layers(self, size: tuple[int, int]) -> dict[str, tuple[int, int]]:
        geometry = self.geometry(size)
        preparing = self._own.steps if self._own else frozenset()
        found = {}
        for index in sorted(self.graph.ancestors([self.head.logits]) - preparing):
            step, shape = self.graph.steps[index], geometry[index].shape
            is_map = step.has_maps and step.is_read and shape[1:3] != (1, 1)
            if is_map and not self._only_moves(step):
                found[step.name] = (shape[1] or 0, shape[2] or 0)
        return found

    @property
    def default_layer(self) -> str:
        """The layer that is explained by default: the last of `map_layers`.

        In VGG16, this is ``block5_conv3``. In a detector, which scores classes for boxes, it is the
        last one that the scores of all boxes depend on, before the layers that compute them.

        Raises
        ------
        InputError
            If no layer has feature maps.
        """
        self.require_layers()
        names = list(self.map_layers())
        if not names:
            raise InputError(
                f"{self.name!r} has no layer with feature maps larger than 1×1: use a method "
                "without a layer, such as saliency or occlusion."
            )
        if not self.head.scores_boxes:
            return names[-1]
        shared = self._before_boxes()
        reached = (name for name in reversed(names) if Output(self.step(name).index) in shared)
        return next(reached, names[-1])

    def _before_boxes(self) -> frozenset[Output]:
        """What each layer that computes scores of boxes depends on.

        Behind these layers, scores are only moved, joined and passed through activations.
        """
        graph, computing = self.graph, set[int]()
        waiting = [self.head.logits]
        while waiting:
            output = waiting.pop()
            step = graph.steps[output.step]
            if step.part == "joined" and _has_weights(step.operation.tokens):
                return frozenset()  # these are no boxes, but tokens, and have a map
            if step.half != "activation" and _has_weights(step):
                computing.add(output.step)
            else:
                waiting.extend(graph.sources(output))
        each = [graph.behind(graph.steps[index].inputs) for index in computing]
        return frozenset.intersection(*each) if each else frozenset()

    def summary(self) -> str:
        """A table of the network: layers, shapes, parameters, FLOPs, receptive fields, totals."""
        self.require_unchanged()
        sides = "×".join(str(side or "any") for side in (*self.size, self.channels))
        title = (
            f"{self.name}: {self.origin}, images of {sides}, preparation "
            f"{self.preparation.name!r}, resampling {self.resample!r}"
        )
        return summary(title, self.layers, self.model.weights)

    def require_layers(self) -> None:
        """Raise an InputError if the network is opaque."""
        if self.is_opaque:
            raise InputError(
                f"{self.name!r} is subclassed ({type(self.model).__name__}), and its call() uses "
                "more than layers and keras.ops, so its layers are not available. Methods "
                "without a layer work (saliency, smoothgrad, integrated_gradients, occlusion); "
                "for the others, write call() with layers and keras.ops only."
            )

    def _warnings_about_preparation(self, is_given: bool) -> tuple[str, ...]:
        """Warnings that the preprocessing is a guess, or likely wrong."""
        if self._own is None and not is_given:
            return (
                'No preprocessing was given: pixels are scaled to 0…1 ("unit"). If the network '
                "was trained on other units, choose them with preprocess=…; otherwise "
                "predictions will be wrong.",
            )
        if self._own is None:
            return ()
        warning = (
            self._own.mismatch(self.preparation, self.channels) if is_given else self._own.notice
        )
        return (warning,) if warning else ()

    def _only_moves(self, step: Step) -> bool:
        """Whether the step makes no feature maps of its own, but passes on its inputs."""
        operation = step.operation
        if isinstance(operation, Placed):
            return operation.tokens.kind in _MOVING_TOKENS
        if not isinstance(operation, keras.Layer) and step.kind in _MOVING:
            return True
        if step.kind == "Reshape" and self.graph.steps[step.inputs[0].step].part == "joined":
            return True
        if isinstance(operation, keras.layers.Permute | keras.layers.Reshape):
            read = step.inputs[0]
            return len(self.graph.steps[read.step].shapes[read.index]) == len(step.shape)
        return step.passes_on or isinstance(operation, (*layer_types.NOT_EXPLAINED_AT, Returned))


def _has_weights(step: Step) -> bool:
    return bool(getattr(step.operation, "weights", None))


def _image_input(graph: Graph, name: str) -> tuple[tuple[int | None, int | None], int]:
    """((height, width), channels) of the image input."""
    shape = graph.steps[graph.inputs[0].step].shape
    if len(shape) != 4 or shape[3] is None:
        raise ModelError(
            f"The model {name!r} takes an input of shape {shape}, not images (batch, height, "
            "width, channels): optogram explains networks for images."
        )
    return (shape[1], shape[2]), shape[3]
