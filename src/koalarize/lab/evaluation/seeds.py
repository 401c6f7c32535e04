"""Several trainings of a recipe: the mean of each score and its deviation between them.

Not here: the scores themselves (``evaluate``), how they are told (``report``), which recipe a model
is of (``trainings``).
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from koalarize.errors import OptionError
from koalarize.lab.evaluation.trainings import differences

__all__ = ["Scores", "Seeds", "Trained", "check_seeds", "over_seeds"]

#: Scores by name; None where one is not finite.
Scores = dict[str, float | None]
_LEAST = 2  # trainings: one has no deviation


@dataclass(frozen=True)
class Trained:
    """One training at one setting, as a row of a report has it.

    Attributes:
        model: its name in the report.
        sha256: of its file.
        size: working size; None where the network saw each picture at the picture's own size.
        temperature: of the annealed mean; None where there is nothing to decode.
        recipe: what it was trained by, as ``recipe_of`` returns it; empty if that is not known,
            None of what is no training: it stands beside them, in no mean.
    """

    model: str
    sha256: str | None
    size: int | None
    temperature: float | None
    recipe: str | None = ""


@dataclass(frozen=True)
class Seeds:
    """What the trainings of one recipe have in common at one setting.

    Attributes:
        models: their names.
        size: as in ``Trained``.
        temperature: as in ``Trained``.
        mean: metric -> mean of the trainings' scores; None where one of them is None.
        deviation: the same of the sample standard deviation, whose divisor is N - 1.
        relative_mean: of the scores beside the references, by the keys of ``Row.relative``.
        relative_deviation: the same.
        differs: where there are several recipes, what this one does not have in common with all of
            the others, by dotted key.
    """

    models: list[str]
    size: int | None
    temperature: float | None
    mean: Scores
    deviation: Scores
    relative_mean: Scores
    relative_deviation: Scores
    differs: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def label(self) -> str:
        """What they are, for a table."""
        own = ", ".join(f"{key} {value}" for key, value in self.differs.items())
        return f"{own}: mean ± deviation of {len(self.models)}".removeprefix(": ")


def check_seeds(trained: Sequence[Trained]) -> None:
    """Check, before any picture is looked at, that there are several trainings of each recipe.

    Args:
        trained: one a row of the report to come, grey left out; what is no training is passed over.

    Raises:
        OptionError: if there are fewer than two of a recipe, two with the same weights, or settings
            that not all of a recipe have.
    """
    trained = [one for one in trained if one.recipe is not None]
    if not trained:
        raise OptionError(
            f"`--seeds` is given without a training but must have {_LEAST} or more: shipped models "
            "and folders of pictures may stand beside them, but have no mean"
        )
    for place, one in enumerate(trained):
        for other in trained[:place]:
            same = (one.size, one.temperature) == (other.size, other.temperature)
            if same and one.sha256 == other.sha256:
                raise OptionError(
                    f"`--seeds` is given with `{other.model}` and `{one.model}`, whose weights are "
                    "the same, but must have trainings that differ: leave one out"
                )
    recipes = _recipes(trained)
    for recipe, differs in recipes.items():
        members = [one for one in trained if one.recipe == recipe]
        hashes = {one.sha256 for one in members}
        if len(hashes) < _LEAST and len(recipes) == 1:
            raise OptionError(
                f"`--seeds` is given with {len(hashes)} model but must have {_LEAST} or more: name "
                "the trainings that differ in their seed"
            )
        if len(hashes) < _LEAST:
            own = ", ".join(f"{key} {value}" for key, value in differs.items()) or "not known"
            raise OptionError(
                f"`--seeds` is given with models of {len(recipes)} recipes and one model, "
                f"`{members[0].model}`, of this one ({own}) but must have {_LEAST} or more of "
                "each: name another training of it that differs in its seed, or leave it out"
            )
        _check_settings(members, hashes)


def _check_settings(members: Sequence[Trained], hashes: set[str | None]) -> None:
    """Check that all trainings of a recipe have the same settings."""
    for same in _by_setting(members).values():
        if {one.sha256 for one in same} != hashes:
            own = "; ".join(sorted({_setting(one) for one in members}))
            raise OptionError(
                f"`--seeds` is given with models of unlike settings ({own}) but must have "
                "trainings of one recipe: give --size and --temperature, or leave models out"
            )


def _recipes(trained: Sequence[Trained]) -> dict[str, dict[str, str]]:
    """Return the recipes in their order, each with what it does not share with the others."""
    recipes = list(dict.fromkeys(one.recipe for one in trained if one.recipe is not None))
    return dict(zip(recipes, differences(recipes), strict=True))


def over_seeds(rows: Sequence[tuple[Trained, Scores, Scores]]) -> list[Seeds]:
    """Return the mean and the deviation of the trainings, one entry a recipe and setting.

    Args:
        rows: for each row of a report but grey's, whose it is, its scores, and the same beside
            the references. What is no training is passed over.
    """
    found: list[Seeds] = []
    rows = [row for row in rows if row[0].recipe is not None]
    recipes = _recipes([one for one, _, _ in rows])
    for members in _by_setting([one for one, _, _ in rows]).values():
        scores = [of for one, of, _ in rows if one in members]
        beside = [of for one, _, of in rows if one in members]
        found.append(
            Seeds(
                models=[one.model for one in members],
                size=members[0].size,
                temperature=members[0].temperature,
                mean=_each(scores, statistics.fmean),
                deviation=_each(scores, statistics.stdev),
                relative_mean=_each(beside, statistics.fmean),
                relative_deviation=_each(beside, statistics.stdev),
                differs=recipes[members[0].recipe or ""],
            )
        )
    return found


def _by_setting(trained: Iterable[Trained]) -> dict[object, list[Trained]]:
    groups: dict[object, list[Trained]] = {}
    for one in trained:
        groups.setdefault((one.recipe, one.size, one.temperature), []).append(one)
    return groups


def _setting(one: Trained) -> str:
    size = "the picture's own size" if one.size is None else f"{one.size} px"
    return size if one.temperature is None else f"{size} at {one.temperature:g}"


def _each(table: Sequence[Scores], what: Callable[[list[float]], float]) -> Scores:
    summed: Scores = {}
    for name in table[0]:
        values = [scores.get(name) for scores in table]
        known = [value for value in values if value is not None]
        summed[name] = round(what(known), 6) if len(known) == len(values) else None
    return summed
