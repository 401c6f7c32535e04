"""Open an ONNX file with ONNX Runtime, and run it without surprises.

Not here: what its inputs and outputs mean (``onnx``, ``contracts``), where it comes from
(``models.store``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from koalarize.color import thread_count
from koalarize.engines.engine import CPU
from koalarize.engines.onnx_file import check_file
from koalarize.errors import ModelError, OptionError

if TYPE_CHECKING:
    import onnxruntime

__all__ = ["Session", "checked", "open_session"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]

#: What ONNX Runtime's errors say where memory is short, and the system's of a library that does
#: not fit into it; they have no class of their own.
_NO_MEMORY = (
    "bad_alloc",
    "BFCArena",
    "Failed to allocate memory",
    "failed to map segment",
    "cannot allocate memory",
)
#: What they say of a file that is made for a later version, and what of it that is.
_NEWER = (
    (re.compile(r"Opset (\d+) is under .* is till opset (\d+)"), "ONNX's operator set"),
    (re.compile(r"model IR version: (\d+), max supported IR version: (\d+)"), "ONNX's format"),
)
#: What stands in front of their words: a code, our own path, a place in C++ code.
_PREAMBLE = re.compile(
    r"^\[ONNXRuntimeError\] : \d+ : \w+ : (?:Load model from .*? failed:)?"
    r"(?:/onnxruntime_src/\S+:\d+ .*?\) (?=[A-Z]))?"
)
_OTHER_BITS = "16-bit models overflow on some devices; use another model, or leave out the provider"


@dataclass(frozen=True)
class Session:
    """An ONNX file that is ready to run.

    A copy, in another process too, opens the file again.

    Attributes:
        path: the file.
        runtime: ONNX Runtime's session.
        threads: as ``open_session`` takes it.
        provider: the same.
        trusted: the same.
        beside: further files that hold weights of it.
    """

    path: Path
    runtime: onnxruntime.InferenceSession
    threads: int = 0
    provider: str = CPU
    trusted: bool = False
    beside: tuple[Path, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened_again, (self.path.absolute(), self.threads, self.provider, self.trusted)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself."""
        return self.runtime.get_modelmeta().custom_metadata_map

    def run(self, outputs: list[str], feed: dict[str, Array]) -> list[Array]:
        """Run the graph.

        Raises:
            ModelError: if the graph does not take what it is fed.
            MemoryError: if there is not enough.
        """
        try:
            found: Any = self.runtime.run(outputs, feed)
        except Exception as error:
            _check_memory(error)
            shapes = ", ".join(f"{name} {value.shape}" for name, value in feed.items())
            raise ModelError(
                f"`{self.path}` fails on {shapes}: {_plain(str(error))}; a `size` and `stride` "
                "that suit it may be given in its contract, see docs/models.md"
            ) from error
        return found


def open_session(
    model: Path, *, threads: int = 0, provider: str = CPU, trusted: bool = False
) -> Session:
    """Load an ONNX file.

    Args:
        model: the file.
        threads: how many threads a picture may use; 0 takes one a core.
        provider: ONNX Runtime's name of what computes, as ``CUDAExecutionProvider``.
        trusted: whether its hash is known; else it is looked into first.

    Raises:
        MemoryError: if there is not enough.
        ModelError: if the file is missing, damaged, or refers to what it must not, or ONNX Runtime
            cannot be loaded.
        OptionError: if this ONNX Runtime has no such provider, or cannot use it here.
    """
    try:
        import onnxruntime as ort  # takes long, so not before a picture is to be coloured
    except ImportError as error:
        _check_memory(error)
        raise ModelError(
            f"ONNX Runtime cannot be loaded ({str(error).splitlines()[0][-160:]}): "
            "install it again with `pip install --force-reinstall onnxruntime`"
        ) from error

    if provider not in (known := ort.get_available_providers()):
        raise OptionError(
            f"the provider `{provider}` is not there: this ONNX Runtime has {', '.join(known)}"
        )
    ort.disable_telemetry_events()  # where a program has imported it before koalarize
    options = ort.SessionOptions()
    options.intra_op_num_threads = thread_count(threads)
    options.inter_op_num_threads = 1
    # Threads that wait in a circle take the cores from decoding and merging.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4  # its errors are raised as well
    # A pattern for each picture size would be kept for ever; sizes of a folder differ.
    options.enable_mem_pattern = False
    beside = () if trusted else check_file(model)
    _check_name(model)
    try:
        session = ort.InferenceSession(str(model), options, providers=[provider])
    except Exception as error:  # ONNX Runtime's own errors share no base class
        _check_memory(error)
        raise ModelError(_not_loaded(model, str(error) or type(error).__name__)) from error
    if provider not in session.get_providers():  # it would go on with another one
        raise OptionError(
            f"the provider `{provider}` cannot be used on this machine: see what ONNX Runtime "
            "says of it, or leave it out to use the processor"
        )
    return Session(model, session, threads, provider, trusted, beside)


def _opened_again(path: Path, threads: int, provider: str, trusted: bool) -> Session:
    return open_session(path, threads=threads, provider=provider, trusted=trusted)


def checked(values: Array, name: str, step: str = _OTHER_BITS) -> Float32:
    """Return what a network gave as float32.

    Args:
        values: of any float type.
        name: of the model, for the error.
        step: why that may be and what to do, for the error.

    Raises:
        ModelError: if one of them is no number.
    """
    found = np.asarray(values, np.float32)
    if not np.isfinite(found).all():
        share = 100 * (1 - float(np.isfinite(found).mean()))
        raise ModelError(
            f"the model `{name}` gives values that are no numbers ({share:.3g} % of them) for this "
            f"picture, so it is not coloured: {step}"
        )
    return found


def _check_memory(error: Exception) -> None:
    """Raise MemoryError where ONNX Runtime's error says that there was not enough."""
    if any(word in str(error) for word in _NO_MEMORY):
        raise MemoryError("the network does not fit in memory") from error


def _check_name(model: Path) -> None:
    """Check that ONNX Runtime, which takes text, can be told a file's name.

    Raises:
        ModelError: if its bytes are no text.
    """
    try:
        str(model).encode()
    except UnicodeEncodeError as error:
        raise ModelError(
            f"`{model}` cannot be loaded as an ONNX model: its name is not in UTF-8, as ONNX "
            "Runtime wants it; rename the file or its folder"
        ) from error


def _not_loaded(model: Path, text: str) -> str:
    """Return what to say of a file that ONNX Runtime does not load, and of which it says a text."""
    for pattern, what in _NEWER:
        if found := pattern.search(text):
            return (
                f"`{model}` is of {what} {found[1]} but this ONNX Runtime reads up to {found[2]}: "
                "export it with an older one, or update `onnxruntime`"
            )
    return f"`{model}` cannot be loaded as an ONNX model: {_plain(text)}"


def _plain(text: str) -> str:
    """Return the first line of ONNX Runtime's words without its code, its file and our path."""
    line = (text.splitlines() or [""])[0]
    return _PREAMBLE.sub("", line)[:160]
