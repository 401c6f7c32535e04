"""What is shown in which order: trials balanced over conditions, models and sides, by a seed.

Not here: the pictures themselves (``pictures``), the answers (``session``).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict

__all__ = ["PRACTICE", "Mode", "Side", "Trial", "make_plan", "make_practice"]

Mode = Literal["single", "pair"]
Side = Literal["left", "right"]
Kind = Literal["real", "recoloured", "pair", "catch"]
_Item = TypeVar("_Item")

#: Practice trials before the first that counts.
PRACTICE = 4
_SIDES: tuple[Side, Side] = ("left", "right")


class Trial(BaseModel):
    """One thing to look at and judge.

    Attributes:
        picture: the photo, relative to its folder, with forward slashes.
        kind: in single mode ``real`` or ``recoloured``, in pair mode ``pair``; ``catch`` is an
            attention check, the photo in impossible colours (beside the original in pair mode).
        model: what recoloured it; None for ``real`` and ``catch``.
        side: where the original stands, in pair mode.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture: str
    kind: Kind
    model: str | None = None
    side: Side | None = None

    @property
    def truth(self) -> str:
        """The answer that is right: ``real`` or ``recoloured``, or the side of the original."""
        if self.side is not None:
            return self.side
        return "real" if self.kind == "real" else "recoloured"


def make_plan(
    pictures: Sequence[str],
    models: Sequence[str],
    *,
    mode: Mode,
    trials: int,
    catch: int,
    seed: int,
) -> list[Trial]:
    """Lay out a session.

    Single mode shows as many real pictures as recoloured ones (of an odd number the extra one is
    drawn), each model as often as the others up to one. Pair mode shows each model as often as the
    others up to one, the original as often on the left as on the right up to one, in all and for
    each model. No photo comes twice while there are enough; if it must, it comes in another
    condition where there is one, and not twice in a row.

    Args:
        pictures: names of the photos, at least two.
        models: names of the models, at least one.
        mode: ``single`` or ``pair``.
        trials: trials that count.
        catch: attention checks, spread evenly among them.
        seed: the same arguments give the same plan.

    Returns:
        ``trials + catch`` trials in the order of showing.
    """
    draw = random.Random(f"plan {seed}")
    conditions = _conditions(models, mode, trials, draw)
    shown = _slots(pictures, trials + catch, draw)
    checks = _spread(trials + catch, catch, draw)
    ordinary = [index for index in range(trials + catch) if index not in checks]
    conditions = _without_repeats([shown[index] for index in ordinary], conditions)
    plan: dict[int, Trial] = {}
    for index, (kind, model, side) in zip(ordinary, conditions, strict=True):
        plan[index] = Trial(picture=shown[index], kind=kind, model=model, side=side)
    sides = _alternating(_SIDES, len(checks), draw)
    for index, side in zip(sorted(checks), sides, strict=True):
        place = side if mode == "pair" else None
        plan[index] = Trial(picture=shown[index], kind="catch", side=place)
    return [plan[index] for index in sorted(plan)]


def make_practice(
    plan: Sequence[Trial], pictures: Sequence[str], models: Sequence[str], mode: Mode, seed: int
) -> list[Trial]:
    """Lay out the practice: photos that the plan leaves over, else those it shows last."""
    draw = random.Random(f"practice {seed}")
    used = {trial.picture for trial in plan}
    spare = [name for name in pictures if name not in used]
    late = [trial.picture for trial in reversed(plan)]
    names = list(dict.fromkeys([*spare, *late]))
    conditions = _conditions(models, mode, PRACTICE, draw)
    return [
        Trial(picture=names[index % len(names)], kind=kind, model=model, side=side)
        for index, (kind, model, side) in enumerate(conditions)
    ]


_Condition = tuple[Kind, str | None, Side | None]


def _conditions(
    models: Sequence[str], mode: Mode, trials: int, draw: random.Random
) -> list[_Condition]:
    conditions: list[_Condition]
    if mode == "pair":
        # Sorted by model and alternating in side: balanced for each model and in all.
        order = sorted(_alternating(models, trials, draw))
        sides = _alternating(_SIDES, trials, draw)
        conditions = [("pair", model, side) for model, side in zip(order, sides, strict=True)]
    else:
        kinds = _alternating(("real", "recoloured"), trials, draw)
        recoloured = _alternating(models, kinds.count("recoloured"), draw)
        real: _Condition = ("real", None, None)
        conditions = [real] * kinds.count("real")
        conditions.extend(("recoloured", model, None) for model in recoloured)
    draw.shuffle(conditions)
    return conditions


def _alternating(values: Sequence[_Item], count: int, draw: random.Random) -> list[_Item]:
    """Return ``count`` values in turn, the turn drawn: each as often as the others up to one."""
    turn = list(values)
    draw.shuffle(turn)
    return [turn[index % len(turn)] for index in range(count)]


def _slots(pictures: Sequence[str], count: int, draw: random.Random) -> list[str]:
    """Return ``count`` names in random order, none again before all have been."""
    slots: list[str] = []
    while len(slots) < count:
        order = list(pictures)
        draw.shuffle(order)
        if slots and order[0] == slots[-1]:
            order[0], order[-1] = order[-1], order[0]
        slots += order
    return slots[:count]


def _spread(count: int, checks: int, draw: random.Random) -> set[int]:
    """Draw one place in each of ``checks`` equal parts of ``count`` places."""
    edges = [round(part * count / checks) for part in range(checks + 1)] if checks else []
    return {draw.randrange(start, stop) for start, stop in pairwise(edges)}


def _without_repeats(pictures: Sequence[str], conditions: Sequence[_Condition]) -> list[_Condition]:
    """Swap conditions so that a photo that comes again comes in another one, where that can be."""
    kept = list(conditions)

    def what(index: int) -> tuple[str, Kind, str | None]:
        return (pictures[index], *kept[index][:2])

    def repeated(index: int) -> bool:
        return any(what(other) == what(index) for other in places[pictures[index]] - {index})

    places: dict[str, set[int]] = {}
    for index, name in enumerate(pictures):
        places.setdefault(name, set()).add(index)
    most = max(map(len, places.values()), default=0)
    if most > len({condition[:2] for condition in kept}):
        return kept  # some photo must repeat a condition whatever we do
    for index in range(len(kept)):
        if not repeated(index):
            continue
        for other in range(len(kept)):
            kept[index], kept[other] = kept[other], kept[index]
            if not repeated(index) and not repeated(other):
                break
            kept[index], kept[other] = kept[other], kept[index]
    return kept
