"""Help of commands in plain words: bounds as `1 to 256`, arguments without Python's types.

Not here: the help of the whole program (``pictures``). Loads nothing slow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from koalarize.cli.empty_words import FilledCommand

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter
    from typer._click.core import Parameter

__all__ = ["PlainCommand", "help_record"]

_BOUNDS = (
    (re.compile(r"\[([\d.]+)<=x<=([\d.]+)\]"), r"[\1 to \2]"),
    (re.compile(r"\[x>=([\d.]+)\]"), r"[at least \1]"),
    (re.compile(r"\]\s+\["), "; "),
)


def help_record(parameter: Parameter, ctx: Context) -> tuple[str, str] | None:
    """Return what the help shows of an option or argument; None if it is hidden.

    Of what is usually on, only the word that leaves it out is there.
    """
    record = parameter.get_help_record(ctx)
    if record is None:
        return None
    words, text = record
    for pattern, plain in _BOUNDS:
        text = pattern.sub(plain, text)
    if parameter.param_type_name == "argument":  # "NAME <list[str]>", "[required]"
        words, text = words.partition(" <")[0], text.removesuffix("[required]").rstrip()
    return words.lstrip(" /"), text


class PlainCommand(FilledCommand):
    """A command whose help is in plain words."""

    def collect_usage_pieces(self, ctx: Context) -> list[str]:
        """Return what follows the command's name, without braces around arguments."""
        pieces = super().collect_usage_pieces(ctx)
        return [re.sub(r"\{(\w+)\}", r"\1", piece) for piece in pieces]

    def format_options(self, ctx: Context, formatter: HelpFormatter) -> None:
        """Write arguments and options."""
        for heading, kind in (("Arguments", "argument"), ("Options", "option")):
            parameters = [one for one in self.get_params(ctx) if one.param_type_name == kind]
            records = [record for one in parameters if (record := help_record(one, ctx))]
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)
