"""Where workers run: in this process, or as actors of Ray Data; the only door to Ray.

Not here: what a worker does (``worker``), what it is given (``run``). Ray Data starts an actor
again, perhaps elsewhere, when one is lost, and gives it the portion again; that nothing is lost or
made twice is the worker's doing, so nothing here depends on how often Ray tries.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
import threading
import zlib
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from typing import Any, TextIO, cast

from koalarize.batch.cluster.order import Order, PortionTask
from koalarize.batch.cluster.results import Row
from koalarize.batch.cluster.stores import unwritable
from koalarize.batch.cluster.worker import Worker
from koalarize.errors import KoalarizeError, OptionError, OutputError

__all__ = ["Machines", "Portion", "check_installed", "do_here", "do_with_ray", "workers_in"]

log = logging.getLogger(__name__)

#: Portions that a wave of Ray Data holds for each worker, and at least.
_WAVE_PER_WORKER, _LEAST_WAVE = 64, 512
#: Bytes of Ray's shared memory on one machine: only names travel through it, no pictures.
_SHARED = 128 << 20
_KNOCK_SECONDS = 10.0
#: Workers that a cluster is taken to have before it is asked.
_USUAL_CLUSTER = 32
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Machines:
    """Where and on how much the work is done.

    Attributes:
        address: of a Ray cluster, or None for one on this machine, which ends with the run.
        workers: how many; None takes one a core, or as the graphics cards allow.
        gpus: the share of a graphics card that each worker takes; 0 computes on the processor.
    """

    address: str | None = None
    workers: int | None = None
    gpus: float = 0.0

    @property
    def expected(self) -> int:
        """About how many workers there will be, before Ray says it."""
        if self.workers is not None:
            return max(1, self.workers)
        return _USUAL_CLUSTER if self.address else os.cpu_count() or 1


@dataclass(frozen=True)
class Portion:
    """Pictures that a worker takes at once, under a name that is theirs for ever."""

    name: str
    tasks: list[PortionTask]


def check_installed(*, with_ray: bool) -> None:
    """Look, before any work, for what the extra `cluster` brings.

    Raises:
        ModuleNotFoundError: if a part is missing; it is named.
    """
    for name in ("pyarrow", *(("ray",) if with_ray else ())):
        if find_spec(name) is None:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


def do_here(order: Order, portions: Iterator[Portion]) -> Generator[list[Row]]:
    """Work on portions in this process, one after another.

    Yields:
        The rows of each portion.

    Raises:
        KoalarizeError: if what is asked cannot be done at all.
    """
    worker = Worker(order)
    for portion in portions:
        try:
            yield worker.portion(portion.name, portion.tasks)
        except OSError as error:
            raise unwritable(order.output, error) from error


def do_with_ray(
    order: Order, portions: Iterator[Portion], machines: Machines
) -> Generator[list[Row]]:
    """Work on portions with actors of Ray Data, each of which keeps its network loaded.

    Yields:
        The rows of each portion, in the order in which they end.

    Raises:
        KoalarizeError: if what is asked cannot be done at all.
        DependencyError: by way of ModuleNotFoundError, if Ray is not installed.
    """
    with _ray(machines) as workers:
        wave = max(_LEAST_WAVE, _WAVE_PER_WORKER * workers)
        while some := list(islice(portions, wave)):
            yield from _wave(order, some, min(workers, len(some)), machines)


class _Actor:
    """What an actor of Ray Data calls; it works on one portion a call."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._worker: Worker | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        plain = json.loads(zlib.decompress(batch["portion"][0]))
        tasks = [PortionTask.from_json(task) for task in plain["tasks"]]
        try:
            if self._worker is None:
                self._worker = Worker(self._order)
            rows = [row.to_json() for row in self._worker.portion(plain["name"], tasks)]
            found = {"rows": rows}
        except KoalarizeError as error:  # no other picture would change it
            found = {"refused": str(error), "usage": isinstance(error, OptionError)}
        except OSError as error:
            found = {"refused": str(unwritable(self._order.output, error)), "usage": False}
        return {"found": [zlib.compress(json.dumps(found).encode())]}


def _wave(
    order: Order, portions: list[Portion], workers: int, machines: Machines
) -> Generator[list[Row]]:
    import ray.data

    items = [{"portion": _packed(portion)} for portion in portions]
    data = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        cast(Any, _Actor),
        fn_constructor_args=(order,),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=1),
        num_cpus=1,
        num_gpus=machines.gpus or None,
    )
    for row in data.iter_rows():
        found = json.loads(zlib.decompress(row["found"]))
        if "refused" in found:
            raise (OptionError if found["usage"] else OutputError)(found["refused"])
        yield [Row.from_json(plain) for plain in found["rows"]]


def _packed(portion: Portion) -> bytes:
    tasks = [task.to_json() for task in portion.tasks]
    return zlib.compress(json.dumps({"name": portion.name, "tasks": tasks}).encode())


@contextmanager
def _ray(machines: Machines) -> Generator[int]:
    """Start Ray, or join it, quietly and without a word to anybody; yield how many workers."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Otherwise Ray's C++ part tells on stderr of the arguments of Ray Data's own actors.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    import ray
    import ray.data

    count = machines.workers or os.cpu_count() or 1
    here: dict[str, Any] = {"num_cpus": count, "include_dashboard": False}
    here |= {"object_store_memory": _SHARED}
    environment = {"env_vars": dict.fromkeys(_THREADS, "1")}
    heard = signal.getsignal(signal.SIGTERM)
    with _only_this_thread_prints():
        try:
            _knock(machines.address)
            with _nothing_on_stderr():
                ray.init(
                    address=machines.address or "local",
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    runtime_env=environment,
                    **({} if machines.address else here),
                )
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise OptionError(
                f"`--address` is `{machines.address or 'local'}`, where no Ray answers "
                f"({' '.join(str(error).split())[:200]}): give that of a running cluster, with "
                "its token in RAY_AUTH_TOKEN where it asks for one, or leave it out"
            ) from error
        if callable(heard):  # Ray hears it now, and would end without a word
            signal.signal(signal.SIGTERM, heard)
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        try:
            yield machines.workers or workers_in(ray.cluster_resources(), machines.gpus)
        finally:
            ray.shutdown()


@contextmanager
def _nothing_on_stderr() -> Generator[None]:
    """Silence stderr, of C++ code too: it names the level of its log."""
    try:
        before = os.dup(2)
    except OSError:  # closed
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
        os.close(null)


def _knock(address: str | None) -> None:
    """See whether anybody is there, for which Ray takes minutes; raises OSError and ValueError."""
    host, colon, port = (address or "").rpartition("://")[2].rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()


def workers_in(resources: Mapping[str, float], gpus: float) -> int:
    """Return how many workers have room in a cluster."""
    if not gpus:
        return max(1, int(resources.get("CPU", 1)))
    cards = resources.get("GPU", 0)
    if not cards:
        raise OptionError(
            f"`--gpus` is {gpus:g} but Ray finds no graphics card: leave it out, or start Ray with "
            "its cards"
        )
    return max(1, min(int(cards / gpus), int(resources.get("CPU", 1))))


class _Quiet:
    """A stream that only one thread writes to: Ray's own threads print to stdout."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() != self._thread:
            log.debug("%s", text.rstrip())
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def _only_this_thread_prints() -> Generator[None]:
    before = sys.stdout
    sys.stdout = cast(TextIO, _Quiet(before))
    try:
        yield
    finally:
        sys.stdout = before
