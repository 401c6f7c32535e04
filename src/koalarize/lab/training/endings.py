"""What surrounds a run: notes kept away from a person, and how an early end reads.

Not here: the run (``train``), going on from its state (``resume``).
"""

from __future__ import annotations

import errno
import logging
import re
import signal
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import torch

from koalarize.errors import NO_ROOM, DataError, KoalarizeError, ModelError, OutputError

__all__ = ["own_endings", "quiet", "stoppable"]

#: Notes of Lightning and torch on what is meant to be so here.
_EXPECTED_NOTES = (
    r".*Checkpoint directory .* exists and is not empty",
    r".*You defined a `validation_step` but have no `val_dataloader`",
    r".*isinstance\(treespec, LeafSpec\)` is deprecated",
    r".*does not have many workers which may be a bottleneck",
    r".*It is recommended to use `self\.log\('train/.*, sync_dist=True\)`",  # speeds are its own
)


#: How torch says that a worker has gone, and what ended it.
_WORKER_LOST = re.compile(
    r"DataLoader worker \(pid.*?\) (?:is killed by signal: (?P<signal>[\w ]+)|exited unexpectedly)"
)
#: How the system calls the signals by which somebody ends a run with all its processes.
_ASKED_TO_END = ("Terminated", "Interrupt", "Hangup")
#: What torch's allocator for processors says where it finds no memory.
_NO_MEMORY = "DefaultCPUAllocator"
#: Numbers of the system's errors that room would mend: also of a file above the largest size.
_NO_ROOM = (*NO_ROOM, errno.EFBIG)


@contextmanager
def quiet() -> Generator[None]:
    """Keep Lightning's notes on its own setup away from a person; real warnings pass."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for note in _EXPECTED_NOTES:
                warnings.filterwarnings("ignore", message=note)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def stoppable(last: Path) -> Generator[None]:
    """Say how to continue at an interrupt, also where there is no trainer yet.

    Args:
        last: the state that a run is continued from.

    Raises:
        KeyboardInterrupt: whose text says how to continue.
    """
    try:
        yield
    except KeyboardInterrupt as stop:
        if str(stop):
            raise
        raise KeyboardInterrupt(_how_to_continue(last)) from stop


@contextmanager
def own_endings(last: Path) -> Generator[None]:
    """Turn Lightning's and torch's ways to end early into ours, each in one sentence.

    Args:
        last: the state that a run is continued from.

    Raises:
        KeyboardInterrupt: whose text says how to continue.
        OutputError: if a file cannot be written.
        ModelError: if the memory is too small for a step.
        DataError: if a process that makes batches was lost, or could not read a picture.
    """
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        with _silent_threads():
            yield
    except SystemExit as error:  # Lightning's answer to an interrupt, after which it ignores more
        if main:
            signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt(_how_to_continue(last)) from error
    except OSError as error:
        raise _not_saved(error, last) from error
    except (KoalarizeError, RuntimeError, MemoryError) as error:
        if isinstance(error, OutputError) and isinstance(error.__cause__, OSError):
            raise _not_saved(error.__cause__, last) from error
        lost = _WORKER_LOST.search(str(error))
        # A group that is told to end loses its workers first.
        if lost and (lost["signal"] or "").startswith(_ASKED_TO_END):
            raise KeyboardInterrupt(_how_to_continue(last)) from error
        ours = _in_our_words(error)
        if ours is None:
            raise
        raise ours from error


def _not_saved(error: OSError, last: Path) -> OutputError:
    """Return how a run says that its disk took no file: another folder would begin it again."""
    step = "make room" if error.errno in _NO_ROOM else f"make `{last.parent}` writable"
    where = f" from `{last}`" if last.exists() else ""
    return OutputError(
        f"the run could not be saved ({error.strerror or error}): {step}, then continue"
        f"{where} with --resume"
    )


def _in_our_words(error: Exception) -> KoalarizeError | None:
    """Return what an error of the trainer tells a person; None for one that says it itself."""
    text = str(error)
    if isinstance(error, KoalarizeError):  # torch puts a worker's traceback into its text
        kind = type(error)
        _, found, words = text.rpartition(f"{kind.__module__}.{kind.__qualname__}: ")
        return kind(words.strip()) if found and text.startswith("Caught ") else None
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)) or _NO_MEMORY in text:
        return ModelError(
            "the memory is too small for a step of this recipe: lower `batch` and raise "
            "`optimizer.accumulate` as much, which learns the same, or take smaller crops (--size)"
        )
    if lost := _WORKER_LOST.search(text):
        return DataError(
            f"a process that makes batches has ended ({lost['signal'] or 'killed'}), mostly for "
            "want of memory, or of shared memory in a container (`docker run --shm-size 2g`): "
            "continue with --resume and `--set data.workers=0`, or give it more"
        )
    return None


def _how_to_continue(last: Path) -> str:
    if not last.exists():
        return "interrupted before the first segment was saved; the same command begins again"
    return f"interrupted; add --resume to the same command to continue from `{last}`"


@contextmanager
def _silent_threads() -> Generator[None]:
    """Keep the traceback of a thread that cannot write to itself; its owner raises the error too.

    TensorBoard writes in such a thread.
    """
    before = threading.excepthook

    def hook(error: threading.ExceptHookArgs) -> None:
        if not issubclass(error.exc_type, OSError):
            before(error)

    threading.excepthook = hook
    try:
        yield
    finally:
        threading.excepthook = before
