"""The measures of attribution maps: what pictures and tables call them, and what is better."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure of attribution maps.

    Attributes
    ----------
    name : str
        Its name.
    title : str
        What tables call it.
    is_larger_better : bool
        Whether larger values are better.
    is_of_faithfulness : bool
        Whether it says how well the map agrees with the network: these decide the ranking.
    needs_boxes : bool
        Whether it needs the boxes of objects.
    is_by_default : bool
        Whether it is computed unless it is left out.
    """

    name: str
    title: str
    is_larger_better: bool
    is_of_faithfulness: bool = False
    needs_boxes: bool = False
    is_by_default: bool = True

    @property
    def direction(self) -> str:
        """Which values are better: "larger" or "smaller"."""
        return "larger" if self.is_larger_better else "smaller"


MEASURES = {
    measure.name: measure
    for measure in (
        Measure("deletion", "Deletion area", False, is_of_faithfulness=True),
        Measure("insertion", "Insertion area", True, is_of_faithfulness=True),
        Measure("road", "ROAD", True, is_of_faithfulness=True),
        Measure("mu_fidelity", "µFidelity", True, is_of_faithfulness=True),
        Measure("infidelity", "Infidelity", False),
        Measure("max_sensitivity", "Max-sensitivity", False, is_by_default=False),
        Measure("sparseness", "Sparseness", True),
        Measure("randomization", "Kept when scrambled", False),
        Measure("complexity_change", "Complexity change", True),
        Measure("pointing_game", "Pointing game", True, needs_boxes=True),
        Measure("box_energy", "Energy in box", True, needs_boxes=True),
        Measure("seconds", "Seconds a map", False),
    )
}
"""The measures by name, in the order in which they are shown."""

RIVALS = ("random_pixels", "random_cells", "edges")
"""Maps that every method is compared with: random values of pixels and of coarse cells; edges."""
