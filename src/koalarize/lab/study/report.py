"""What is reported: per model, per person, with intervals, as Markdown and JSON.

Not here: which answers count (``pool``), the formulas (``statistics``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from koalarize.lab.study.statistics import Share
from koalarize.lab.tables import markdown_table, markdown_text

__all__ = ["ModelRow", "PersonRow", "Report"]

#: Share of attention checks below which a person's answers deserve a second look.
_ATTENTIVE = 0.75


@dataclass(frozen=True)
class ModelRow:
    """What was said of one model.

    Attributes:
        name: of the model.
        sha256: of its file.
        fooled: single mode: recoloured pictures judged real; pair mode: pairs in which the
            recoloured picture was judged the real one.
        people: the 95 % interval when people are resampled; None for fewer than two.
        p_value: pair mode: exact two-sided binomial test against one half.
        d_prime: single mode: sensitivity, by the real pictures of the sessions that showed the
            model; 0 if people cannot tell.
        criterion: single mode: below 0 if people tend to say "real".
    """

    name: str
    sha256: str
    fooled: Share
    people: tuple[float, float] | None = None
    p_value: float | None = None
    d_prime: float | None = None
    criterion: float | None = None


@dataclass(frozen=True)
class PersonRow:
    """What one person said.

    Attributes:
        person: the name given, or the name of the session file.
        answered: trials answered, checks included, of ``planned``.
        planned: trials in the plans.
        fooled: recoloured pictures taken for real, over all models.
        real: single mode: real pictures judged real.
        catch: attention checks answered right.
        excluded: answers left out.
    """

    person: str
    answered: int
    planned: int
    fooled: Share
    real: Share
    catch: Share
    excluded: int


@dataclass(frozen=True)
class Report:
    """The results of one or more sessions of one protocol.

    Attributes:
        apart: whether sessions showed different models.
    """

    mode: str
    seconds: float
    size: int
    data_sha256: list[str]
    models: list[ModelRow]
    people: list[PersonRow]
    real: Share
    catch: Share
    excluded: dict[str, int] = field(default_factory=dict[str, int])
    left_out: dict[str, int] = field(default_factory=dict[str, int])
    apart: bool = False

    def to_json(self) -> str:
        """Return the report as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain values; shares with their rate and 95 % Wilson interval."""
        return {
            "format": "koalarize-turing-report-1",
            "mode": self.mode,
            "seconds": self.seconds,
            "size": self.size,
            "data_sha256": self.data_sha256,
            "models": [{**vars(row), "fooled": _plain(row.fooled)} for row in self.models],
            "real_judged_real": _plain(self.real) if self.mode == "single" else None,
            "catch": _plain(self.catch),
            "people": [
                {
                    **vars(row),
                    "fooled": _plain(row.fooled),
                    "real": _plain(row.real),
                    "catch": _plain(row.catch),
                }
                for row in self.people
            ],
            "excluded": self.excluded,
            "left_out": self.left_out,
            "notes": self.notes(),
        }

    def notes(self, shown: Callable[[str], str] = str) -> list[str]:
        """Return the sentences without which the numbers could be misread.

        Args:
            shown: how a person's name is written.
        """
        notes = [
            "Intervals are 95 % Wilson intervals over answers"
            + ("; they hold for this person, not for people." if len(self.people) == 1 else ".")
        ]
        if len(self.people) > 1:
            notes.append(
                "Answers of one person resemble each other: the interval over people (bootstrap, "
                f"{len(self.people)} people resampled) is the one that speaks of people"
                + (", and with so few it is itself rough." if len(self.people) < 10 else ".")
            )
        chance = "50 % means that people cannot tell"
        if self.mode == "single":
            rate = self.real.rate
            against = "" if rate is None else f", {_percent(rate)}"
            chance = (
                f"a fooling rate is read against the share of real pictures judged real{against}"
            )
        notes.append(f"{chance[:1].upper()}{chance[1:]}.")
        if self.apart and self.mode == "single":
            notes.append(
                "The sessions showed different models: d' takes the real pictures of those that "
                "showed the model, and rates of different people are read apart."
            )
        if len(self.data_sha256) > 1:
            notes.append(
                f"The sessions showed {len(self.data_sha256)} different sets of photos: out of a "
                "folder each `--seed` draws its own. Sessions that share folder, seed and numbers "
                "of trials and checks show the same photos."
            )
        notes += [
            f"{shown(row.person)} answered {row.catch.count} of {row.catch.n} attention "
            "checks right: look at these answers before you trust them."
            for row in self.people
            if row.catch.n and row.catch.count < _ATTENTIVE * row.catch.n
        ]
        notes += [
            f"{shown(row.person)} has answered {row.answered} of {row.planned} trials so far."
            for row in self.people
            if row.answered < row.planned
        ]
        return notes

    def to_markdown(self) -> str:
        """Return the report as Markdown."""
        what = (
            "single pictures, real or recoloured?"
            if self.mode == "single"
            else "pairs, which one is real?"
        )
        n = sum(row.fooled.n for row in self.models)
        lines = [
            "# Can a person tell?",
            "",
            f"{what[:1].upper()}{what[1:]} {self.seconds:g} s each, at most {self.size} px. "
            f"{n} answers on recoloured pictures, {len(self.people)} "
            f"{'person' if len(self.people) == 1 else 'people'}.",
            "",
            _table(self._model_columns(), self.models),
        ]
        if self.mode == "single":
            lines += ["", f"Real pictures judged real: {_share(self.real)}."]
        if self.catch.n:
            lines += ["", f"Attention checks answered right: {_share(self.catch)}."]
        if len(self.people) > 1:
            lines += ["", _table(self._person_columns(), self.people)]
        excluded = ", ".join(f"{count} {why}" for why, count in self.excluded.items())
        lines += ["", f"Excluded answers: {excluded or 'none'}."]
        if self.left_out:
            files = ", ".join(f"{count} {why}" for why, count in sorted(self.left_out.items()))
            lines += ["", f"Files left out: {files}."]
        lines += ["", *(f"- {note}" for note in self.notes(markdown_text))]
        return "\n".join(lines)

    def _model_columns(self) -> _Columns:
        columns: _Columns = [
            ("model", lambda row: row.name),
            ("n", lambda row: str(row.fooled.n)),
            ("fooling rate", lambda row: _percent(row.fooled.rate)),
            ("95 % interval", lambda row: _interval(row.fooled.interval)),
        ]
        if len(self.people) > 1:
            columns.append(("95 % over people", lambda row: _interval(row.people)))
        if self.mode == "single":
            columns.append(("d'", lambda row: _number(row.d_prime, "+.2f")))
        else:
            columns.append(("p against chance", lambda row: _number(row.p_value, ".2g")))
        return columns

    def _person_columns(self) -> _Columns:
        columns: _Columns = [
            ("person", lambda row: row.person),
            ("answered", lambda row: f"{row.answered} of {row.planned}"),
            ("fooled", lambda row: _share(row.fooled)),
        ]
        if self.mode == "single":
            columns.append(("real judged real", lambda row: _share(row.real)))
        columns.append(("checks", lambda row: f"{row.catch.count}/{row.catch.n}"))
        columns.append(("excluded", lambda row: str(row.excluded)))
        return columns


_Columns = list[tuple[str, Callable[[Any], str]]]


# -- words ------------------------------------------------------------------------------------


def _table(columns: _Columns, rows: Iterable[Any]) -> str:
    titles = [title for title, _ in columns]
    return markdown_table(titles, [[cell(row) for _, cell in columns] for row in rows])


def _plain(share: Share) -> dict[str, object]:
    return {
        "count": share.count,
        "n": share.n,
        "rate": share.rate,
        "interval": share.interval,
    }


def _share(share: Share) -> str:
    if not share.n:
        return "none asked"
    return f"{_percent(share.rate)} ({share.count} of {share.n}; {_interval(share.interval)})"


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.1f} %"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "–" if bounds is None else f"{_percent(bounds[0])} to {_percent(bounds[1])}"


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
