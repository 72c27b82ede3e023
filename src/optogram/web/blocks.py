"""Blocks of a network: groups of steps that can be shown as one.

Groups are found in nested models, in the names of layers (``conv2_block1_1_bn``), and, where names
say nothing, between the steps that every path goes through. With any blocks folded, the steps still
have an order: no path leaves a block and comes back.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from optogram.graph.steps import Returned, Step
from optogram.graph.token_grids import Placed

_LARGEST_SHARE = 0.7
"""A group by name with more of what it is in would say nothing."""
_FEWEST = 8
"""Steps that are divided even if their names say nothing."""
_PARTS = re.compile(r"[A-Za-z]*\d*")


@dataclass(frozen=True)
class Block:
    """A group of steps.

    Attributes
    ----------
    name : str
        What its layers have in common, or the layer it ends with.
    parent : int or None
        Position in the list of the block that it is in.
    steps : tuple of int
        Indices of all its steps, those of blocks inside included.
    """

    name: str
    parent: int | None
    steps: tuple[int, ...]


def blocks_of(steps: Sequence[Step]) -> list[Block]:
    """The blocks of a list of steps; a block stands after the one that it is in."""
    reads = [sorted({output.step for output in step.inputs}) for step in steps]
    found: list[Block] = []

    def divide(
        inside: tuple[int, ...], parent: int | None, names: dict[int, list[str]], is_model: bool
    ) -> None:
        """Add the blocks among the steps ``inside``; ``names`` has the prefixes left for each."""
        groups = _groups(inside, names, reads)
        if not groups and is_model and len(inside) >= _FEWEST:
            groups = _between_cuts(inside, steps, reads)
        for name, members in groups:
            found.append(Block(name.rstrip("/"), parent, members))
            place = len(found) - 1
            rest = {index: _after(names[index], name) for index in members}
            divide(members, place, rest, name.endswith("/"))

    names = _names(steps)
    divide(tuple(range(len(steps))), None, names, is_model=True)
    return found


def _names(steps: Sequence[Step]) -> dict[int, list[str]]:
    """For each step the groups that the names around it name, from large to small."""
    kinds = {step.path: step.kind for step in steps if isinstance(step.operation, Returned)}
    names = {step.index: _prefixes(step, kinds) for step in steps}
    # Tokens are joined where they are read: that can be in another block than they come from.
    for step in reversed(steps):
        names |= {
            output.step: names[step.index]
            for output in step.inputs
            if steps[output.step].part == "joined"
        }
    return names


def _prefixes(step: Step, kinds: Mapping[tuple[str, ...], str]) -> list[str]:
    """The groups that the names around a step name, from large to small.

    ``kinds`` has the classes of layers that others are inside of.
    """
    path = step.path or (step.name,)
    use = re.search(r"@\d+", step.name)
    again = use.group() if use else ""
    is_layer = isinstance(step.operation, Returned)
    prefixes = []
    for i, name in enumerate(path):
        inside = "/".join(path[:i]) + "/" if i else ""
        is_last = i == len(path) - 1
        kind = _kind(step) if is_last and not is_layer else kinds.get(path[: i + 1])
        if kind is not None and re.sub(r"(_\d+)+$", "", name) != _generated(kind):
            ends = {match.end() for match in _PARTS.finditer(name) if match.end() > match.start()}
            prefixes += [f"{inside}{name[:end]}" for end in sorted({*ends, len(name)})]
        elif is_last and (step.part or isinstance(step.operation, Placed)):
            prefixes.append(f"{inside}{name}")
        if not is_last or is_layer:
            prefixes.append(f"{inside}{name}{again}/")
    return prefixes


def _kind(step: Step) -> str:
    """The class of what a step runs; of a part of tokens, of what returns them."""
    operation = step.operation
    return type(operation.tokens.operation if isinstance(operation, Placed) else operation).__name__


def _generated(kind: str) -> str:
    """The name that Keras gives to a layer of this class."""
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", kind)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


def _after(prefixes: list[str], name: str) -> list[str]:
    return prefixes[prefixes.index(name) + 1 :] if name in prefixes else prefixes


def _groups(
    inside: Sequence[int], names: dict[int, list[str]], reads: Sequence[list[int]]
) -> list[tuple[str, tuple[int, ...]]]:
    """(name, steps) of the largest groups by name among the steps ``inside``."""
    candidates: dict[str, list[int]] = defaultdict(list)
    for index in inside:
        for prefix in names[index]:
            candidates[prefix].append(index)
    taken: set[int] = set()
    chosen: list[tuple[str, tuple[int, ...]]] = []
    # Of groups with the same steps, the one with the longest name.
    for name, members in sorted(candidates.items(), key=lambda g: (-len(g[1]), -len(g[0]))):
        most = _LARGEST_SHARE * len(inside) if not name.endswith("/") else len(inside) - 1
        if len(members) < 3 or len(members) > most or not taken.isdisjoint(members):
            continue
        if can_be_folded([*(group for _, group in chosen), members], inside, reads):
            taken.update(members)
            chosen.append((name, tuple(members)))
    return sorted(chosen, key=lambda group: group[1][0])


def can_be_folded(
    groups: Sequence[Collection[int]], inside: Collection[int], reads: Sequence[Collection[int]]
) -> bool:
    """Whether the steps ``inside`` still have an order when each group is a single step."""
    one = {index: index for index in inside}
    for number, group in enumerate(groups):
        one.update(dict.fromkeys(group, -1 - number))
    waits: dict[int, set[int]] = {}
    feeds: dict[int, set[int]] = defaultdict(set)
    for index in inside:
        before = {one[read] for read in reads[index] if read in one} - {one[index]}
        waits.setdefault(one[index], set()).update(before)
        for each in before:
            feeds[each].add(one[index])
    ready = [each for each, before in waits.items() if not before]
    done = 0
    while ready:
        each = ready.pop()
        done += 1
        for reader in feeds[each]:
            waits[reader].discard(each)
            if not waits[reader]:
                ready.append(reader)
    return done == len(waits)


def _between_cuts(
    inside: Sequence[int], steps: Sequence[Step], reads: Sequence[list[int]]
) -> list[tuple[str, tuple[int, ...]]]:
    """(name, steps) of what lies between two steps that every path goes through."""
    last = {index: index for index in inside}
    for index in inside:
        for read in reads[index]:
            if read in last:
                last[read] = index
    groups, start, reach = [], 0, -1
    for place, index in enumerate(inside):
        if reach <= index:  # nothing before it is read after it
            if 3 <= place - start < _LARGEST_SHARE * len(inside):
                groups.append((steps[index].name, tuple(inside[start : place + 1])))
            start = place + 1
        reach = max(reach, last[index])
    return groups
