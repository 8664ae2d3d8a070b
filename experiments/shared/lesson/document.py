"""The HTML of the lesson: page.html, filled; every text that comes from outside is escaped."""
import html
import os
import re
from pathlib import Path
from string import Template
from urllib.parse import quote

from experiments.shared import page
from experiments.shared.lesson.chain import format_shape, read_equation, write_chain_rule
from experiments.shared.lesson.encode import encode_png, encode_source

HERE = Path(__file__).parent
RESULTS = HERE.parents[1] / "results" / "README.md"
LABELS = range(10)


def fill_page(**parts):
    """page.html with its parts, which are HTML already, and with page.css and page.js in it."""
    parts |= {name: (HERE / f"page.{name}").read_text() for name in ("css", "js")}
    return Template((HERE / "page.html").read_text()).substitute(parts)


def link_results(path):
    """The way from the page at `path` to the results, as an address."""
    way = os.path.relpath(RESULTS, Path(path).resolve().parent)
    return quote(os.fsencode(Path(way).as_posix()))     # a name on disk may be no text


def format_versions():
    """The versions of Python and of the packages that decide the numbers."""
    return ", ".join(f"{name} {version}" for name, version in page.list_versions().items())


def write_digits(digits):
    """The buttons that choose a digit.  digits: [{name, label, picture}], see lesson.py."""
    return "".join(
        f'<label><input type="radio" name="digit" value="{i}">'
        f'<img src="{digit["picture"]}" alt="{html.escape(digit["name"])}" '
        f'title="{html.escape(digit["name"])}"></label>' for i, digit in enumerate(digits))


def write_labels():
    """The buttons that choose the wanted label."""
    return "".join(f'<label><input type="radio" name="label" value="{label}">'
                   f"<span>{label}</span></label>" for label in LABELS)


def draw_hero(x, found, label, target):
    """The finding in three pictures: x, r magnified and x + r, images (1, H, W), and their labels.
    """
    r = found - x
    parts = [(x, f"x: the net says {label}"), (0.5 + 0.5 * r / (abs(r).max() or 1), "r, magnified"),
             (found, f"x + r: the net says {target}")]
    return "".join(f'<figure><img src="{encode_png(image)}" alt="{caption}">'
                   f"<figcaption>{caption}</figcaption></figure>" for image, caption in parts)


def write_layers(passed, way):
    """A card for each layer.  way: "forward", or "backward", which begins with the last layer."""
    cards = [write_layer(passed, i, way) for i in range(len(passed.net.layers))]
    return "\n".join(cards if way == "forward" else reversed(cards))


def write_layer(passed, i, way):
    """The card of one layer: its equation, its arrays, a unit's sum and its source."""
    layer, (x, y) = passed.net.layers[i], passed.arrays[i:i + 2]
    name, forward = f"{i + 1} {type(layer).__name__}", way == "forward"
    given, result = (("x", x), ("y", y)) if forward else (("dy", y), ("dx", x))
    equation = read_equation(layer.forward) if forward else write_chain_rule(layer, x, y)
    figures = " → ".join(
        f'<figure><canvas data-array="{symbol}"></canvas><figcaption>{symbol} {format_shape(a)}'
        '<br><span class="range"></span></figcaption></figure>' for symbol, a in (given, result))
    unit = f"{way}-{i}-unit"
    return f"""\
<article class="layer columns" id="{way}-{i}" data-way="{way}" data-layer="{i}">
<div><h3>{name}{"" if forward else ", backward"}</h3>
<p class="equation">{html.escape(equation)}</p>
<div class="arrays">{figures}</div>
<p class="unit"><label for="{unit}">Unit of {result[0]}</label>
<input id="{unit}" type="number" min="0" max="{result[1].size - 1}" value="0"></p></div>
<div><pre tabindex="0" role="group" aria-label="Source of {type(layer).__name__}.{way}"><code>\
{encode_source(getattr(layer, way))}</code></pre>
<div class="sum" tabindex="0" role="group" aria-label="How this unit comes about"
 aria-live="polite"></div></div>
</article>"""


def write_slips(slips):
    """The demonstrations: a table whose rows appear one after the other, a sentence for each."""
    return "\n".join(write_slip(number, slip) for number, slip in enumerate(slips, 1))


def write_slip(number, slip):
    """One demonstration."""
    head = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in slip.head)
    rows = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                   for row in slip.rows)
    says = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in slip.says)
    return f"""\
<article class="slip" aria-label="Slip {number}">
<h3>{number} {html.escape(slip.title)}</h3>
<p><span class="tag">printed</span> {html.escape(slip.printed)}<br>
<span class="tag">meant</span> {html.escape(slip.meant)}</p>
<div class="scroll" tabindex="0" role="group" aria-label="Table of slip {number}">
<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>
<div class="says" aria-live="polite">{says}</div>
<p class="lesson"><b>So:</b> {html.escape(slip.lesson)}</p>
<div class="player"><button type="button" class="back">Back</button>
<button type="button" class="ahead">Next step</button></div>
</article>"""


def write_exercises(exercises):
    """The list of exercises: [(title, task, hint)], in which `code` stands between backticks."""
    return "\n".join(f"""\
<li><h3>{html.escape(title)}</h3>
<p>{escape_with_code(task)}</p>
<details><summary>Hint</summary><p>{escape_with_code(hint)}</p></details>
<p class="small"><code>python -m experiments.exercises --number {number}</code></p></li>"""
                     for number, (title, task, hint) in enumerate(exercises, 1))


def escape_with_code(text):
    """Text as HTML; what stands between backticks is code."""
    return re.sub("`(.+?)`", r"<code>\1</code>", html.escape(text))
