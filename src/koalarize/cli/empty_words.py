"""Options with an empty value, as `-o "$OUT"` has where a shell knows no OUT, are refused.

Not here: empty names of pictures (``pictures``), what else a value may be (each option). An empty
path would be the folder in which the command is given.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from typer.core import TyperCommand, TyperOption

from koalarize.errors import OptionError

if TYPE_CHECKING:
    from typer._click import Context

__all__ = ["FilledCommand"]


class FilledCommand(TyperCommand):
    """A command whose options have no empty values."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Take the words of a command line apart.

        Raises:
            OptionError: if an option's value is empty; it is named.
        """
        options = (one for one in self.get_params(ctx) if isinstance(one, TyperOption))
        valued = {name for one in options if not one.is_flag for name in one.opts}
        for before, word in pairwise(["", *args]):
            if word == "--":
                break
            name, sign, value = word.partition("=")
            empty = before if word == "" else name if sign and not value else None
            if empty in valued:
                raise OptionError(f"`{empty}` is empty: give it a value, or leave it out")
        return super().parse_args(ctx, args)
