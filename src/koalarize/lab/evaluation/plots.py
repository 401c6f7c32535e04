"""Figures for the laboratory: loss curves, the fading experiment.

Not here: the numbers (``history``, ``fading``). Dark text on white; the colours are Okabe & Ito's,
which people with colour-blindness tell apart, and every line has a marker or a dash of its own.
"""

from __future__ import annotations

import dataclasses
import io
import logging
import re
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from koalarize.errors import OptionError
from koalarize.lab.evaluation.history import History, Series
from koalarize.lab.metrics.definitions import ALL_METRICS, metric_of
from koalarize.lab.outputs import MARK

if TYPE_CHECKING:
    from koalarize.lab.evaluation.fading import Fading

__all__ = ["FIGURE_FORMATS", "plot_fading", "plot_histories", "smoothed"]

log = logging.getLogger(__name__)

#: Extensions that a figure can be written to.
FIGURE_FORMATS = (".png", ".svg", ".pdf")
#: Okabe & Ito 2008, without the yellow that white swallows.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "osD^vPX"
_LEAST_POINTS = 20  # from which on a curve is smoothed
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
_TEXT = "#222222"
_GRID = "#DDDDDD"
_DPI = 150
#: Ends the name of a validation column that holds the originals' own value: a line, not a panel.
_ORIGINAL = "_original"


def plot_histories(
    histories: Sequence[History],
    *,
    suffix: str = ".png",
    log: bool = False,
    smoothing: float = 0.9,
    axis: str = "step",
) -> bytes:
    """Draw the loss of runs, smoothed over the faint raw values, and below their validation scores.

    A dotted line in a score's panel is the originals' own value, where the run says it; of runs
    that saw unlike pictures, one in the colour and with the marker of each. An infinite score, as
    the PSNR of equal pictures, is a sign at the panel's top.

    Args:
        histories: runs, one colour each.
        suffix: of ``FIGURE_FORMATS``.
        log: draw the loss on a logarithmic axis.
        smoothing: in [0, 1): 0 draws the raw values alone.
        axis: ``step`` or ``samples``; runs of unlike batches compare only by samples.

    Returns:
        The encoded figure.

    Raises:
        OptionError: if a value is not allowed, or a run does not say how many samples it saw.
    """
    if not 0 <= smoothing < 1:
        raise OptionError(f"`smoothing` is {smoothing:g} but must be at least 0 and below 1")
    if axis not in ("step", "samples"):
        raise OptionError(f"`axis` is `{axis}` but must be `step` or `samples`")
    if log and any(min(history.loss.values) <= 0 for history in histories):
        raise OptionError("`--log` needs losses above 0: draw these without it")
    histories = _told_apart(histories)
    found = dict.fromkeys(name for one in histories for name in one.validation)
    scores = [name for name in found if not name.endswith(_ORIGINAL)]
    columns = min(2, max(1, len(scores)))
    rows = 2 + -(-len(scores) // columns)
    figure = _figure(8.0, 4.2 + 2.4 * (rows - 2))
    grid: Any = figure.add_gridspec(rows, columns)
    panels = [figure.add_subplot(grid[:2, :])]
    panels += [figure.add_subplot(grid[2 + i // columns, i % columns]) for i in range(len(scores))]
    for number, history in enumerate(histories):
        _draw_loss(panels[0], history, number, smoothing, axis)
        for panel, name in zip(panels[1:], scores, strict=True):
            _draw_score(panel, history, name, number, axis)
    for panel, name in zip(panels[1:], scores, strict=True):
        _draw_originals(panel, histories, name)
    panels[0].set_ylabel("training loss")
    if log:
        _logarithmic(panels[0])
    for panel, name in zip(panels[1:], scores, strict=True):
        panel.set_ylabel(_score_label(name))
    for panel in panels:
        _dress(panel)
        panel.xaxis.get_major_locator().set_params(integer=True)  # no run takes half a step
    for panel in panels[-columns:]:
        panel.set_xlabel("pictures seen" if axis == "samples" else "step")
    _name_runs(panels[0], histories, marked=bool(scores))
    return _encode(figure, suffix)


def plot_fading(fading: Fading, *, suffix: str = ".png") -> bytes:
    """Draw every metric against the fading of chroma (left) and against its noise (right).

    Args:
        fading: the experiment.
        suffix: of ``FIGURE_FORMATS``.

    Returns:
        The encoded figure.
    """
    similar = [name for name in ("ssim", "ssim-a", "ssim-b") if name in fading.faded]
    groups = [similar] if similar else []
    groups += [[name] for name in fading.faded if name not in similar]
    figure = _figure(8.0, 1.0 + 1.9 * len(groups))
    panels: Any = figure.subplots(len(groups), 2, squeeze=False, sharey="row", sharex="col")
    sides = ((fading.scales, fading.faded), (fading.noises, fading.noisy))
    for row, names in zip(panels, groups, strict=True):
        for panel, (where, scores) in zip(row, sides, strict=True):
            for number, name in enumerate(names):
                points = [(x, y) for x, y in zip(where, scores[name], strict=True) if y is not None]
                panel.plot(*zip(*points, strict=True), **_style(number), label=_plain(name))
                endless = [x for x, y in zip(where, scores[name], strict=True) if y is None]
                if endless:
                    _draw_endless(panel, endless, number)
            _dress(panel)
        row[0].set_ylabel("SSIM" if names == similar else _plain(names[0]))
        if len(names) > 1:
            row[0].legend(frameon=False, labelcolor=_TEXT, fontsize=8)
    panels[0][0].invert_xaxis()  # from the original on the left to grey
    panels[-1][0].set_xlabel("factor on the chroma (1: original, 0: grey)")
    panels[-1][1].set_xlabel("noise on a and b, σ in Lab units")
    figure.suptitle(
        f"What metrics see as colour fades or turns noisy ({fading.pictures} pictures)",
        color=_TEXT,
        fontsize=11,
    )
    return _encode(figure, suffix)


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Return the mean of values around each, whose weights fall exponentially to both sides.

    To both, so that a falling curve is not drawn above its values.

    Args:
        values: in order.
        weight: of a neighbour against the value itself, in [0, 1).
    """
    before, after = _decayed(values, weight), _decayed(values[::-1], weight)[::-1]
    ones = [1.0] * len(values)
    left, right = _decayed(ones, weight), _decayed(ones, weight)[::-1]
    return [
        (before[i] + after[i] - value) / (left[i] + right[i] - 1) for i, value in enumerate(values)
    ]


def _decayed(values: Sequence[float], weight: float) -> list[float]:
    """Return for each value the sum of it and those before, ever less of them."""
    out: list[float] = []
    total = 0.0
    for value in values:
        total = weight * total + value
        out.append(total)
    return out


def _told_apart(histories: Sequence[History]) -> list[History]:
    """Number runs that have the same name."""
    seen: dict[str, int] = {}
    out: list[History] = []
    for history in histories:
        number = seen[history.name] = seen.get(history.name, 0) + 1
        name = history.name if number == 1 else f"{history.name} ({number})"
        out.append(dataclasses.replace(history, name=name))
    return out


def _draw_loss(panel: Any, history: History, number: int, smoothing: float, axis: str) -> None:
    where = _where(history.name, history.loss, axis)
    style = {name: _style(number)[name] for name in ("color", "linestyle")}
    values = history.loss.values
    marker = "o" if len(values) == 1 else None
    if smoothing:
        panel.plot(where, values, color=style["color"], alpha=0.25, linewidth=0.8)
        # Of a short curve not much is left if it is smoothed as a long one.
        values = smoothed(values, min(smoothing, max(0.0, 1 - _LEAST_POINTS / len(values))))
    panel.plot(where, values, **style, linewidth=1.6, marker=marker)


def _name_runs(panel: Any, histories: Sequence[History], *, marked: bool) -> None:
    """Draw the legend; where a score may be one point, with the marker that tells whose it is."""
    for number in range(len(histories)):
        style = _style(number) | ({} if marked else {"marker": None})
        panel.plot([], [], **style, label=f"run {number}")
    legend = panel.legend(frameon=False, labelcolor=_TEXT, handlelength=3)
    for text, history in zip(legend.get_texts(), histories, strict=True):
        # As it is: matplotlib leaves a label with `_` before out, and takes `$` for a formula.
        text.set_parse_math(False)
        text.set_text(history.name)


def _draw_score(panel: Any, history: History, name: str, number: int, axis: str) -> None:
    series = history.validation.get(name)
    if series is not None and series.values:
        panel.plot(_where(history.name, series, axis), series.values, **_style(number))
    if series is not None and series.endless is not None:
        _draw_endless(panel, _where(history.name, series.endless, axis), number)


def _draw_originals(panel: Any, histories: Sequence[History], name: str) -> None:
    """Draw the originals' own value, and say so; a line each where runs saw unlike pictures."""
    found = [one.validation.get(name + _ORIGINAL, Series()).values for one in histories]
    last = {number: values[-1] for number, values in enumerate(found) if values}
    alike = len(set(last.values())) == 1
    for number, value in list(last.items())[: 1 if alike else None]:
        style = {"color": _TEXT, "linewidth": 1.5} if alike else _style(number)
        panel.axhline(value, **style | {"linestyle": ":"})
    if last:
        label = "originals" if alike else "originals, each run's own"
        panel.plot([], [], color=_TEXT, linestyle=":", linewidth=1.5, label=label)
        panel.legend(frameon=False, labelcolor=_TEXT, fontsize=8)


def _draw_endless(panel: Any, where: Sequence[float], number: int) -> None:
    """Draw infinite scores at the panel's top, whatever its values; lines one below the other."""
    panel.plot(
        where,
        [1 - 0.07 * (number % len(_COLORS))] * len(where),
        color=_style(number)["color"],
        marker=r"$\infty$",
        markersize=9,
        linestyle="none",
        transform=panel.get_xaxis_transform(),
        clip_on=False,
    )


def _where(name: str, series: Series, axis: str) -> list[float]:
    if axis == "step":
        return series.steps
    if len(series.samples) != len(series.values):
        raise OptionError(f"the run `{name}` does not say how many samples it saw: use `step`")
    return series.samples


def _style(number: int) -> dict[str, Any]:
    """Return how a line looks; after as many as there are colours they meet other dashes."""
    turned = number + number // len(_COLORS)
    return {
        "color": _COLORS[number % len(_COLORS)],
        "marker": _MARKERS[turned % len(_MARKERS)],
        "linestyle": _DASHES[turned % len(_DASHES)],
        "linewidth": 1.5,
        "markersize": 4,
    }


def _score_label(name: str) -> str:
    if name == "loss":
        return "validation loss ↓"
    return _plain(name) if name in ALL_METRICS else name.replace("_", " ")


def _plain(name: str) -> str:
    metric = metric_of(name)
    if metric.better == "as the originals":
        return metric.header
    return f"{metric.header} {'↑' if metric.better == 'higher' else '↓'}"


def _figure(width: float, height: float) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _dress(panel: Any) -> None:
    from matplotlib.ticker import ScalarFormatter

    panel.set_facecolor("white")
    panel.grid(color=_GRID, linewidth=0.6)
    panel.set_axisbelow(True)
    panel.tick_params(which="both", colors=_TEXT, labelsize=8)
    panel.xaxis.label.set_color(_TEXT)
    panel.yaxis.label.set_color(_TEXT)
    if isinstance(numbers := panel.yaxis.get_major_formatter(), ScalarFormatter):
        numbers.set_useOffset(False)  # nobody adds 1e-7 and 0.1778 to read a score
    panel.yaxis.label.set_parse_math(False)  # a metric of somebody's own may have a `$`
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_color(_TEXT)


def _logarithmic(panel: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    panel.set_yscale("log")
    low, high = panel.get_ylim()
    close = high < 10 * low  # less than a decade needs more than three labels
    panel.yaxis.set_major_locator(LogLocator(subs=range(1, 10) if close else (1, 2, 5)))
    panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    panel.yaxis.set_minor_formatter(NullFormatter())


def _encode(figure: Any, suffix: str) -> bytes:
    kind = suffix.lower()
    if kind not in FIGURE_FORMATS:
        raise OptionError(
            f"`{suffix}` is not an extension of a figure: use one of {', '.join(FIGURE_FORMATS)}"
        )
    stream = io.BytesIO()
    notes = {
        ".png": {"Software": MARK},
        ".svg": {"Creator": MARK, "Date": None},  # equal numbers, equal bytes
        ".pdf": {"Creator": MARK},
    }
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        figure.savefig(stream, format=kind[1:], dpi=_DPI, metadata=notes[kind])
    found = [re.match(r"Glyph (\d+) .*missing from", str(one.message)) for one in told]
    if missing := sorted({chr(int(match[1])) for match in found if match}):
        log.warning(
            "the figure shows `%s` as boxes, as its font has no such letters: a folder of another "
            "name is drawn with its name",
            "".join(missing),
        )
    return stream.getvalue()
