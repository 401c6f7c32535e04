"""What the page of a test asks of the session behind it.

Not here: HTTP (``app``), the test itself (``lab.study``), which keeps to this contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from koalarize.errors import KoalarizeError

__all__ = ["ConflictError", "Results", "Study"]


class ConflictError(KoalarizeError):
    """A request that does not fit the state of the session: a trial answered twice, an old page."""


class Results(Protocol):
    """The report of a finished session."""

    def to_dict(self) -> Mapping[str, object]:
        """Return it as plain data."""
        ...


class Study(Protocol):
    """A session being taken in a browser; called from several threads."""

    def state(self) -> Mapping[str, object]:
        """Return what the page needs to know before and between trials."""
        ...

    def open(self, *, practice: bool) -> Mapping[str, object] | None:
        """Open the next trial; None if its pictures are not ready yet.

        Raises:
            ConflictError: if all trials are answered.
            KoalarizeError: if a file cannot be read or written.
        """
        ...

    def picture(self, token: str) -> bytes | None:
        """Return a picture of the open trial, once; None for any other token."""
        ...

    def answer(
        self,
        token: str,
        answer: str,
        *,
        shown_ms: float,
        reaction_ms: float,
        interrupted: bool,
    ) -> Mapping[str, object]:
        """Take the answer to the open trial and return the state.

        Raises:
            ConflictError: if the trial is not the open one, or the answer is not of its mode.
            KoalarizeError: if the answer cannot be kept.
        """
        ...

    def results(self) -> Results:
        """Return the report.

        Raises:
            ConflictError: while trials are left.
        """
        ...
