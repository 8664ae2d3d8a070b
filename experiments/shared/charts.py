"""Charts, by matplotlib: each `draw_` function returns a figure, and `write` writes it as PNG.

matplotlib is imported where a chart is drawn, so that `--help` does not wait for its font cache.
"""
import logging
import textwrap

import numpy as np

WIDTH, DPI = 9, 200                         # inches, pixels an inch: sharp where 900 pixels show
LINE_LENGTH = 105                           # of a title, in a line
GREY, BAR, MEAN = "#dddddd", "#88ccee", "black"
# Paul Tol's "muted" colours, with a stronger yellow and a grey: colour-blind readers tell them
# apart.  Where all is grey, markers and dashes do it.
COLOURS = ("#332288", "#cc6677", "#117733", "#88ccee", "#882255", "#ddaa33", "#44aa99", "#aa4499",
           "#777777")
MARKERS, DASHES = "os^DvPX<>", ("-", "--")

logging.getLogger("matplotlib").setLevel(logging.ERROR)     # no lines about its font cache


def draw_curves(curves, title, y_label):
    """Draw one value after each epoch, for every label, on linear axes.

    The axis shows every last value, and up to 3 times the smallest of all; the start of training
    lies above and is cut off.

    Args:
        curves: {label: values (E,)}, 0 or more each, E at least 1.
        title: what a stranger has to know; it is broken into lines.
        y_label: what the values are, with their unit.

    Returns:
        The matplotlib Figure.  Its legend gives the last values, in the order of the lines' ends.
    """
    figure = start_figure(title, 5.4)
    ax = figure.subplots()
    draw_lines(ax, {f"{label}: {values[-1]:.2f}": (np.arange(1, len(values) + 1), values)
                    for label, values in curves.items()}, "last value")
    smallest = min(min(values) for values in curves.values())
    last = max(values[-1] for values in curves.values())
    ax.set_ylim(0.9 * smallest, max(3 * smallest, 1.1 * last) or 1)
    ax.set_xlim(0, 1.02 * max(len(values) for values in curves.values()))
    ax.locator_params("x", integer=True)
    ax.set(xlabel="epoch", ylabel=y_label)
    return figure


def draw_times(times, title, x_label, y_label):
    """Draw times by a number, for every label, on two logarithmic axes.

    Args:
        times: {label: {number: time}}, both above 0.
        title: what a stranger has to know; it is broken into lines.
        x_label: what the numbers count.
        y_label: what the times are of, with their unit.

    Returns:
        The matplotlib Figure.  The x axis has a tick at every number, the y axis at 1, 2, 5, ...
    """
    figure = start_figure(title, 5)
    ax = figure.subplots()
    ax.loglog()
    draw_lines(ax, {label: (list(of), list(of.values())) for label, of in times.items()})
    numbers = sorted({n for of in times.values() for n in of})
    ax.set_xticks(numbers, [f"{n:g}" for n in numbers])
    low, high = ax.get_ylim()
    ticks = [t for power in range(-9, 10) for t in np.array([1, 2, 5]) * 10.0 ** power
             if low <= t <= high]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    ax.set(xlabel=x_label, ylabel=y_label)
    return figure


def draw_histograms(rows, axes, title):
    """Draw histograms side by side: a row for each label, a column for each axis.

    In a column all rows have the same scales.  Its heading says what share the highest bar is.

    Args:
        rows: {label: {axis: values (n,)}}; NaN is left out.
        axes: {axis: (edges of its bins (B + 1,), what the values are, with their unit)}.
        title: what a stranger has to know; it is broken into lines.

    Returns:
        The matplotlib Figure.  A black line and a number show the mean of every histogram.
    """
    figure = start_figure(title, 2 + 0.36 * len(rows))
    columns = figure.subplots(1, len(axes), sharey=True, squeeze=False)[0]
    bases = np.arange(len(rows))[::-1]      # the first row is the highest
    for ax, (axis, (edges, x_label)) in zip(columns, axes.items(), strict=True):
        values = [of[axis][~np.isnan(of[axis])] for of in rows.values()]
        highest = max(compute_bin_shares(v, edges).max() for v in values) or 1
        for v, base in zip(values, bases, strict=True):
            draw_histogram(ax, v, edges, base, 0.85 / highest)
        ax.set_title(f"{axis}\nhighest bar: {100 * highest:.0f} %", fontsize=10, loc="left")
        ax.set(xlabel=x_label, xlim=(edges[0], edges[-1]), ylim=(0, len(rows)))
        ax.locator_params("x", nbins=6, steps=(1, 2, 5, 10))    # short, and none touches another
        ax.grid(axis="x", color=GREY)
        ax.tick_params("y", length=0)
    columns[0].set_yticks(bases + 0.4, [*rows])
    return figure


def write(figure, file):
    """Write a matplotlib Figure to an open file as PNG; the same chart gives the same bytes."""
    figure.savefig(file, format="png", metadata={"Software": None})


# ---- Parts of a chart ------------------------------------------------------------------------


def start_figure(title, height):
    """A figure `height` inches high, with its title; matplotlib arranges what is drawn later."""
    from matplotlib.figure import Figure
    figure = Figure((WIDTH, height), dpi=DPI, layout="constrained")
    # A folder's name may hold a $: it starts no formula.
    figure.suptitle(textwrap.fill(title, LINE_LENGTH), x=0.01, ha="left", fontsize=11,
                    parse_math=False)
    return figure


def draw_lines(ax, lines, heading=None):
    """Draw {label: (x (E,), y (E,))}, and at the right a legend in the order of the last y."""
    handles = []
    for i, (label, (x, y)) in enumerate(lines.items()):
        step = max(1, len(x) // 8)          # a marker at about every eighth of a line
        handles += ax.plot(x, y, color=COLOURS[i % len(COLOURS)], marker=MARKERS[i % len(MARKERS)],
                           linestyle=DASHES[i % len(DASHES)], label=label,
                           markevery=(i % step, step))
    handles.sort(key=lambda line: line.get_ydata()[-1], reverse=True)
    ax.legend(handles=handles, title=heading, loc="center left", bbox_to_anchor=(1, 0.5),
              frameon=False, alignment="left", handlelength=3)
    ax.grid(color=GREY)
    ax.spines[["top", "right"]].set_visible(False)


def draw_histogram(ax, values, edges, base, scale):
    """Draw the histogram of values (n,) on the line y = base: a share of 1 is `scale` high."""
    ax.bar(edges[:-1], scale * compute_bin_shares(values, edges), np.diff(edges), base,
           align="edge",
           color=BAR, edgecolor="white", linewidth=0.5, zorder=2)
    ax.axhline(base, color="black", linewidth=0.5, zorder=3)
    if len(values):
        ax.vlines(values.mean(), base, base + 0.9, MEAN, linewidth=2, zorder=4)
    ax.text(1.02, base + 0.4, f"{values.mean():.2f}" if len(values) else "-",
            transform=ax.get_yaxis_transform(), va="center", color=MEAN)


def compute_bin_shares(values, edges):
    """The share of the values (n,) in each bin between the edges (B + 1,): (B,)."""
    return np.histogram(values, edges)[0] / max(1, len(values))
