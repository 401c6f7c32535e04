"""From session files to the numbers of a report: which answers count, and for what.

Not here: the formulas (``statistics``), the report's form (``report``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from koalarize.errors import DataError
from koalarize.lab.study.plan import Trial
from koalarize.lab.study.report import ModelRow, PersonRow, Report
from koalarize.lab.study.session import Answer, Record
from koalarize.lab.study.statistics import Share, binomial_p, bootstrap_people, sensitivity

__all__ = ["exclusion", "make_report"]

#: An answer this soon after the question cannot be one to it, milliseconds.
_TOO_QUICK = 100
#: How far the time on the screen may be from the one asked for: so many milliseconds ...
_OFF_MS = 50
#: ... or this share of it, whichever is more.
_OFF_SHARE = 0.1


def exclusion(answer: Answer, seconds: float) -> str | None:
    """Return why an answer does not count, or None.

    Args:
        answer: from a session.
        seconds: how long the picture should have been shown.
    """
    asked = seconds * 1000
    if answer.interrupted:
        return "interrupted"
    if answer.views > 1:
        return "shown more than once"
    if abs(answer.shown_ms - asked) > max(_OFF_MS, _OFF_SHARE * asked):
        return "shown for another time"
    if answer.reaction_ms < _TOO_QUICK:
        return "answered too quickly"
    return None


def make_report(sessions: Sequence[tuple[str, Record]]) -> Report:
    """Pool sessions of one protocol.

    Args:
        sessions: a name, for a person who gave none, and the session's record; at least one.

    Raises:
        DataError: if two sessions have different protocols or are the same.
    """
    _check_alike(sessions)
    first = sessions[0][1].settings
    judged = [judgement for name, record in sessions for judgement in _judgements(name, record)]
    models = {model.name: model.sha256 for _, r in sessions for model in r.settings.models}
    people = list(dict.fromkeys(_person(name, record) for name, record in sessions))
    real = _real(judged)
    return Report(
        mode=first.mode,
        seconds=first.seconds,
        size=first.size,
        data_sha256=sorted({record.settings.data_sha256 for _, record in sessions}),
        models=[_model_row(name, models[name], judged, people, first.mode) for name in models],
        people=[_person_row(person, judged, sessions) for person in people],
        real=real,
        catch=_catch(judged),
        excluded=dict(Counter(one.excluded for one in judged if one.excluded)),
        # Of several sessions each may have looked at the same files.
        left_out=dict(sessions[0][1].left_out) if len(sessions) == 1 else {},
        apart=len({one.shown for one in judged}) > 1,
    )


@dataclass(frozen=True)
class _Judgement:
    person: str
    trial: Trial
    right: bool
    excluded: str | None
    shown: frozenset[str]  # the models of the session


def _person(name: str, record: Record) -> str:
    return record.settings.person or name


def _judgements(name: str, record: Record) -> Iterable[_Judgement]:
    shown = frozenset(model.name for model in record.settings.models)
    for answer in record.answers:
        trial = record.plan[answer.trial]
        why = exclusion(answer, record.settings.seconds)
        yield _Judgement(_person(name, record), trial, answer.answer == trial.truth, why, shown)


def _count(judged: Iterable[_Judgement], kinds: Sequence[str], *, right: bool) -> Share:
    counted = [one for one in judged if one.trial.kind in kinds and one.excluded is None]
    return Share(sum(one.right is right for one in counted), len(counted))


def _fooled(judged: Iterable[_Judgement]) -> Share:
    return _count(judged, ("recoloured", "pair"), right=False)


def _real(judged: Iterable[_Judgement]) -> Share:
    return _count(judged, ("real",), right=True)


def _catch(judged: Iterable[_Judgement]) -> Share:
    return _count(judged, ("catch",), right=True)


def _model_row(
    name: str, sha256: str, judged: Sequence[_Judgement], people: Sequence[str], mode: str
) -> ModelRow:
    of_model = [one for one in judged if one.trial.model == name]
    fooled = _fooled(of_model)
    over_people = bootstrap_people(
        [_fooled(one for one in of_model if one.person == person) for person in people]
    )
    if mode == "pair":
        p_value = binomial_p(fooled.count, fooled.n) if fooled.n else None
        return ModelRow(name, sha256, fooled, over_people, p_value=p_value)
    real = _real(one for one in judged if name in one.shown)  # by who saw the model
    d_prime, criterion = sensitivity(real, fooled) if real.n and fooled.n else (None, None)
    return ModelRow(name, sha256, fooled, over_people, d_prime=d_prime, criterion=criterion)


def _person_row(
    person: str, judged: Sequence[_Judgement], sessions: Sequence[tuple[str, Record]]
) -> PersonRow:
    theirs = [one for one in judged if one.person == person]
    records = [record for name, record in sessions if _person(name, record) == person]
    return PersonRow(
        person=person,
        answered=len(theirs),
        planned=sum(len(record.plan) for record in records),
        fooled=_fooled(theirs),
        real=_real(theirs),
        catch=_catch(theirs),
        excluded=sum(one.excluded is not None for one in theirs),
    )


def _check_alike(sessions: Sequence[tuple[str, Record]]) -> None:
    for (name, record), (other_name, other) in pairwise(sessions):
        for key in ("mode", "seconds", "size"):
            mine, theirs = getattr(record.settings, key), getattr(other.settings, key)
            if mine != theirs:
                raise DataError(
                    f"the sessions `{name}` and `{other_name}` differ in `{key}` ({mine} and "
                    f"{theirs}) and cannot be pooled: report them apart"
                )
    hashes: dict[str, str] = {}
    seen: dict[str, str] = {}
    for name, record in sessions:
        if record.id in seen:
            raise DataError(
                f"`{name}` and `{seen[record.id]}` are the same session: give each only once"
            )
        seen[record.id] = name
        for model in record.settings.models:
            if hashes.setdefault(model.name, model.sha256) != model.sha256:
                raise DataError(
                    f"the session `{name}` used another file for the model `{model.name}` than "
                    "those before it, and cannot be pooled with them: report them apart"
                )
