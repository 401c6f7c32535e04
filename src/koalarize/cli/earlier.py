"""What is said of results that earlier runs made otherwise: of another version, model or options.

Not here: which those are (``batch.standing``), all else that a run says (``report``).
"""

from __future__ import annotations

from collections.abc import Mapping

import typer

from koalarize.batch.standing import Standing

__all__ = ["note_of_earlier"]

#: Who has made such results, in place of what is asked now.
_MAKERS = {
    Standing.SETTINGS: "other options",
    Standing.MODEL: "another model, or other weights of this one,",
}


def note_of_earlier(reasons: Mapping[tuple[str, str], int]) -> None:
    """Say on stderr how many results of earlier runs stay, and how many are made again.

    Args:
        reasons: how many outcomes there are of each status and reason.
    """
    said: list[str] = []
    if count := _count(reasons, "skipped", Standing.EARLIER):
        stay, them = ("1 result stays", "it") if count == 1 else (f"{count} results stay", "them")
        said.append(f"{stay} as an earlier version made {them}: --overwrite colours {them} again")
    for standing, maker in _MAKERS.items():
        if count := _count(reasons, "skipped", standing):
            one = ("1 result stays", "it", "it is")
            many = (f"{count} results stay", "them", "they are")
            stay, them, they_are = one if count == 1 else many
            said.append(
                f"{stay} as {maker} had made {them}: without --keep-earlier {they_are} made again"
            )
        for status, verb in (("colored", ""), ("planned", "would be ")):
            if count := _count(reasons, status, standing):
                results, them = ("1 result", "it") if count == 1 else (f"{count} results", "them")
                verb = verb or ("was " if count == 1 else "were ")
                said.append(
                    f"{results} {verb}made again: {maker} had made {them}; "
                    "--keep-earlier leaves such results"
                )
    for note in said:
        typer.echo(f"koalarize: note: {note}", err=True)


def _count(reasons: Mapping[tuple[str, str], int], status: str, standing: Standing) -> int:
    """Count outcomes; a plan adds to its reasons what more it knows, after a comma."""
    return sum(
        count
        for (kind, reason), count in reasons.items()
        if kind == status and reason.partition(",")[0] == standing.value
    )
