"""Charts show what they are given, and a reader can read them."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from experiments import figure1_2, figure3_4
from experiments.shared import charts

EDGES = np.arange(0, 5)


def curves(count=9, epochs=100):
    """That many curves, which fall from 100 to 1, 2, 3, ..."""
    return {f"a way to train with a long name {i}": np.geomspace(100, i + 1, epochs)
            for i in range(count)}


def a_chart_of(kind):
    """A chart of each kind, of the size of ours, with long labels and a long title."""
    title = "A long title, which says what a stranger has to know. " * 4 + "In /a/$folder$/x_y."
    if kind == "curves":
        return charts.draw_curves(curves(), title, "test error, %")
    if kind == "times":
        times = {f"a long net {i}": {1: 50.0 + i, 16: 3.0, 1024: 0.8} for i in range(6)}
        return charts.draw_times(times, title, "images", "milliseconds")
    axes = {"figure 1": figure1_2.AXES, "figure 3": figure3_4.AXES}[kind]
    row = {axis: np.array([0.5, 0.6]) for axis in axes}
    rows = {f"FC100-100-10 untrained, non-negative {i}": row for i in range(16)}
    return charts.draw_histograms(rows, axes, title)


KINDS = pytest.mark.parametrize("kind", ["curves", "times", "figure 1", "figure 3"])


@KINDS
def test_nothing_lies_outside_of_the_picture(kind):
    figure = a_chart_of(kind)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()            # in inches
    width, height = figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@KINDS
def test_ticks_do_not_touch_each_other(kind):
    figure = a_chart_of(kind)
    figure.draw_without_rendering()
    for ax in figure.axes:
        for axis, low, high in ((ax.xaxis, "x0", "x1"), (ax.yaxis, "y0", "y1")):
            first, last = axis.get_view_interval()
            boxes = [tick.label1.get_window_extent() for tick in axis.get_major_ticks()
                     if tick.label1.get_visible() and first <= tick.get_loc() <= last]
            boxes.sort(key=lambda box, low=low: getattr(box, low))
            for one, two in zip(boxes, boxes[1:], strict=False):
                assert getattr(one, high) <= getattr(two, low)


@KINDS
def test_the_same_data_give_the_same_file_and_it_is_sharp(kind, tmp_path):
    paths = [tmp_path / name for name in ("a.png", "b.png")]
    for path in paths:
        with path.open("wb") as file:
            charts.write(a_chart_of(kind), file)
    picture = Image.open(paths[0])
    assert picture.format == "PNG" and picture.size[0] >= 2 * 900 and "Software" not in picture.info
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("kind", ["curves", "times"])
def test_lines_are_told_apart_without_colours(kind):
    lines = a_chart_of(kind).axes[0].lines
    assert len({line.get_marker() for line in lines}) == len(lines) > 1
    assert len({line.get_color() for line in lines}) == len(lines)
    assert all(line.get_marker() != "None" for line in lines)


def test_curves_show_the_values_and_every_end():
    given = {"a": [3.0, 2.0, 1.0], "b": [99.0, 9.0, 9.5]}
    ax = charts.draw_curves(given, "t", "error, %").axes[0]
    for line, values in zip(ax.lines, given.values(), strict=True):
        assert line.get_xdata().tolist() == [1, 2, 3] and list(line.get_ydata()) == values
    low, high = ax.get_ylim()
    assert low < 1 and 9.5 < high < 99      # the start is cut off
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["b: 9.50", "a: 1.00"]
    assert ax.get_ylabel() == "error, %"


def test_curves_have_round_ticks():
    ax = charts.draw_curves({"a": np.linspace(3.2, 1.077, 26)}, "t", "").axes[0]
    ax.figure.draw_without_rendering()
    assert [tick.get_text() for tick in ax.get_xticklabels()][:4] == ["0", "5", "10", "15"]
    assert all(len(tick.get_text()) == 3 for tick in ax.get_yticklabels())      # such as 1.5


@pytest.mark.parametrize("values", [[2.0], [0.0], [0.0, 0.0]])
def test_one_epoch_alone_and_no_error_at_all_are_shown(values, tmp_path):
    figure = charts.draw_curves({"a": values}, "t", "")
    low, high = figure.axes[0].get_ylim()
    assert low <= values[-1] < high
    with (tmp_path / "a.png").open("wb") as file:
        charts.write(figure, file)
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB"))
    x, y = figure.axes[0].transData.transform((len(values), values[-1])).round().astype(int)
    colour = [int(charts.COLOURS[0][i:i + 2], 16) for i in (1, 3, 5)]
    assert (pixels[len(pixels) - y - 5, x] == colour).all()         # within the marker


def test_times_stand_on_logarithmic_axes_with_round_ticks():
    ax = charts.draw_times({"a": {1: 100.0, 4: 20.0, 16: 3.0}}, "t", "images", "ms").axes[0]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1", "4", "16"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["5", "10", "20", "50", "100"]
    [line] = ax.lines
    assert (list(line.get_xdata()), list(line.get_ydata())) == ([1, 4, 16], [100, 20, 3])


def test_bars_are_as_high_as_their_shares_and_a_line_shows_the_mean():
    rows = {"a": {"m": np.array([0.5, 0.5, 1.5, 3.5])}, "b": {"m": np.array([2.5, np.nan])},
            "c": {"m": np.full(2, np.nan)}}
    figure = charts.draw_histograms(rows, {"m": (EDGES, "metres")}, "t")
    [ax] = figure.axes
    heights = np.array([bar.get_height() for bar in ax.patches]).reshape(3, 4)
    assert heights / heights.max() == pytest.approx(
        np.array([[0.5, 0.25, 0, 0.25], [0, 0, 1, 0], [0, 0, 0, 0]]))
    assert heights.max() < 1                # a row does not reach the next
    assert [bar.get_y() for bar in ax.patches[::4]] == [2, 1, 0]
    assert "highest bar: 100 %" in ax.get_title(loc="left") and ax.get_xlabel() == "metres"
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b", "c"]
    means = [collection.get_segments()[0][0].tolist() for collection in ax.collections]
    assert means == [[1.5, 2], [2.5, 1]]    # x, and the row's foot
    assert [text.get_text() for text in ax.texts] == ["1.50", "2.50", "-"]


def test_a_column_for_each_axis_has_a_scale_of_its_own():
    row = {"p": np.array([0.5, 2.5]), "q": np.array([3.5, 3.5])}
    figure = charts.draw_histograms({"a": row}, {axis: (EDGES, axis) for axis in row}, "t")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["p\nhighest bar: 50 %",
                                                                "q\nhighest bar: 100 %"]


def test_scripts_that_draw_charts_start_without_matplotlib():
    scripts = ", ".join(f"experiments.{name}" for name in (
        "adversarial_training", "benchmark", "figure1_2", "figure3_4"))
    subprocess.run([sys.executable, "-c", f"import {scripts}, sys; "
                    "assert 'matplotlib' not in sys.modules"], check=True)
