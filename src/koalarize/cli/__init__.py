"""The command line: one file a command, and ``main``, the entry of the ``koalarize`` script.

Not here: anything that colours; each command imports what it needs when it runs, so that
``koalarize --help`` loads neither a network's runtime nor NumPy.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, as ``app.main`` does.

    A person may interrupt it while its modules are loaded, too.

    Args:
        args: the words after the program's name; by default those of this process.
    """
    try:
        from koalarize.cli.app import main as run

        return run(args)
    except KeyboardInterrupt:
        sys.stderr.write("koalarize: error: interrupted\n")
        return 130
