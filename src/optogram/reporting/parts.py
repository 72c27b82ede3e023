"""The parts of a report: what the page shows, and its settings."""

from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from optogram.network.predictions import Prediction
from optogram.render import Scale
from optogram.reporting.patterns import Patterns
from optogram.target import Target


@dataclass(frozen=True)
class Settings:
    """What the report computes and how large its pictures are.

    Attributes
    ----------
    top : int
        Number of top classes to explain, where ``targets`` is empty.
    targets : tuple of Target
        What to explain instead: classes of the photo, or, where the network scores classes at
        many places, classes in regions and boxes.
    methods : tuple of str
        The attribution methods.
    checked : tuple of str
        The methods whose maps are checked.
    patterns : Patterns or None
        Images that maximize filters; None: they are left out.
    memory : float, str or None
        Memory budget.
    maps : int
        Number of maps in a mosaic, at most.
    mosaic, photo : int
        Longest side of a mosaic, and of the photo below overlays, in pixels.
    """

    top: int
    targets: tuple[Target, ...]
    methods: tuple[str, ...]
    checked: tuple[str, ...]
    patterns: Patterns | None
    memory: float | str | None
    maps: int
    mosaic: int
    photo: int


@dataclass(frozen=True)
class Picture:
    """A picture of the page.

    Attributes
    ----------
    encoding : Future of str
        The image as a data URI, as soon as it is encoded.
    alt : str
        Alternative text.
    width, height : int
        Size in pixels.
    """

    encoding: Future[str]
    alt: str
    width: int
    height: int

    @property
    def uri(self) -> str:
        """The image as a data URI."""
        return self.encoding.result()


@dataclass(frozen=True)
class Cell:
    """One method's result for one row: picture, map as transparent layer, numbers as text."""

    picture: Picture
    layer: Picture
    numbers: str


@dataclass(frozen=True)
class Row:
    """One explained score: of a class, a region or a box, or the difference of two classes.

    Attributes
    ----------
    title : str
        Description of the score.
    prediction : Prediction or None
        The class; None for others.
    rival, winner : str
        For a difference: the class whose score is positive, and the one whose score is subtracted.
    """

    title: str
    prediction: Prediction | None
    rival: str = ""
    winner: str = ""


@dataclass(frozen=True)
class Explanation:
    """One method's results for all explained classes.

    Attributes
    ----------
    method, title : str
        Name of the function, and title of the method.
    says : str
        What the method computes, in one sentence.
    layer : str or None
        The explained layer, for methods that explain one.
    grid : (int, int)
        Rows and columns of the map.
    parameters : mapping
        Arguments of the method.
    scale : Scale
        Common scale of the classes; a difference has its own.
    cells : tuple of Cell
        One per row.
    verdict : str
        The conclusion of `check` for the first row; empty if it was not checked.
    """

    method: str
    title: str
    says: str
    layer: str | None
    grid: tuple[int, int]
    parameters: Any
    scale: Scale
    cells: tuple[Cell, ...]
    verdict: str = ""


@dataclass(frozen=True)
class FilterShown:
    """One filter: the crop of the photo that activates it most, and what maximizes it.

    Attributes
    ----------
    channel : int
        Its number.
    crop : Picture or None
        Its receptive field at the position of the largest value; None if that is the whole image.
    pattern : Picture or None
        The image that maximizes its mean activation; None if it was not computed.
    """

    channel: int
    crop: Picture | None
    pattern: Picture | None


@dataclass(frozen=True)
class Stage:
    """Feature maps of the last layer at one map size.

    Attributes
    ----------
    layer, field : str
        Name, and receptive field as text.
    is_field_larger : bool
        Whether the receptive field is larger than the image.
    size : (int, int)
        Rows and columns of its maps.
    count, drawn : int
        Number of maps, and number of maps in the mosaic.
    strongest : tuple of int
        Channels of the strongest maps, strongest first.
    signed : bool
        Whether the maps have negative values.
    mosaic, overlay : Picture
        All maps or the strongest ones, and the strongest one over the photo.
    filters : tuple of FilterShown
        The strongest filters.
    """

    layer: str
    field: str
    is_field_larger: bool
    size: tuple[int, int]
    count: int
    drawn: int
    strongest: tuple[int, ...]
    signed: bool
    mosaic: Picture
    overlay: Picture
    filters: tuple[FilterShown, ...]


@dataclass(frozen=True)
class Attended:
    """Attention of a layer, or of all layers together, over the photo.

    Attributes
    ----------
    layer : str
        Name of the layer; empty for attention rollout.
    heads : int
        Number of heads, of which the mean is shown.
    picture : Picture
        What the class token, or, without one, the mean of all tokens reads.
    """

    layer: str
    heads: int
    picture: Picture


@dataclass(frozen=True)
class Section:
    """Everything about one photo; without classes, there are no predictions and explanations.

    Attributes
    ----------
    name, anchor : str
        Name of the photo, and id of the section.
    size, seen_size : (int, int)
        (height, width) of the photo and of the network's input.
    thumbnail, photo, below, seen : Picture
        The photo: small, larger, below the layers of the maps, and as the network saw it.
    predictions : tuple of Prediction
        The highest-scoring classes.
    truth : Prediction or None
        The true class, if it is known.
    rows : tuple of Row
        The explained scores.
    explanations : tuple of Explanation
        One per method.
    left_out : tuple of (str, str)
        Titles of methods that the network has no feature maps or attention for, with the reasons.
    attended : tuple of Attended
        Attention of some layers, and of all together; empty without attention between all patches.
    is_class_token : bool
        Whether that is attention of a class token.
    stages : tuple of Stage
        Feature maps of each block.
    warnings : tuple of str
        Warnings of the results.
    """

    name: str
    anchor: str
    size: tuple[int, int]
    seen_size: tuple[int, int]
    thumbnail: Picture
    photo: Picture
    below: Picture
    seen: Picture
    predictions: tuple[Prediction, ...]
    truth: Prediction | None
    rows: tuple[Row, ...]
    explanations: tuple[Explanation, ...]
    left_out: tuple[tuple[str, str], ...]
    attended: tuple[Attended, ...]
    is_class_token: bool
    stages: tuple[Stage, ...]
    warnings: tuple[str, ...]

    @property
    def is_right(self) -> bool | None:
        """Whether the prediction is the true class; None if that is not known."""
        if self.truth is None or not self.predictions:
            return None
        return self.truth.index == self.predictions[0].index


@dataclass(frozen=True)
class Filters:
    """The kernels of the first layer.

    Attributes
    ----------
    layer : str
        Name of the layer.
    shape : tuple of int
        (height, width, channels in, kernels).
    scale : Scale
        Weights at the ends of the display range.
    picture : Picture
        All kernels.
    """

    layer: str
    shape: tuple[int, ...]
    scale: Scale
    picture: Picture


@dataclass(frozen=True)
class Anatomy:
    """The section on the network.

    Attributes
    ----------
    provenance : mapping of str
        Provenance, as in every result.
    filters : Filters or None
        Kernels; None if no convolution reads the image.
    rows : tuple of tuple of str
        Name, kind, output, parameters, MFLOPs and receptive field of each layer.
    totals : str
        Totals over all layers, in a sentence.
    """

    provenance: dict[str, str]
    filters: Filters | None
    rows: tuple[tuple[str, ...], ...]
    totals: str
