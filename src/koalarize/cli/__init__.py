"""The command line: one file a command, and ``main``, the entry of the ``koalarize`` script.

Not here: anything that colours; each command imports what it needs when it runs, so that
``koalarize --help`` loads neither a network's runtime nor NumPy.
"""

from koalarize.cli.app import main

__all__ = ["main"]
