"""The lesson: its page shows what Python computed, in a real browser where there is one."""
import base64
import html
import inspect
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import strokes
from experiments import lesson
from experiments.shared import cache, samples
from experiments.shared.lesson import chain, document, encode, slips, trace
from intriguing import D, search_one
from nets.backend import to_device, to_host
from nets.gradcheck import numeric_gradient
from nets.layers.basic import Dense, Flatten, ReLU, Sigmoid
from nets.layers.conv import Conv, MaxPool
from nets.losses import softmax_cross_entropy
from nets.models.fc import fc
from nets.net import Net
from nets.search.line_search import line_search

HOSTILE = "a</script><img src=x onerror=document.title='fooled'>&\"'.png"
LESSON = Path(lesson.__file__).parent / "shared" / "lesson"


def floats(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def indices(text):
    return np.frombuffer(base64.b64decode(text), "<u2")


def make_net(images):
    """A net of random weights, large enough for clear answers, that gives many labels."""
    net = fc((784, 12, 8, 10), np.random.default_rng(0))
    for W, b in zip(net.params[::2], net.params[1::2], strict=True):
        W *= 4
        b += 0.5
    net.params[-1][...] -= net.forward(to_device(images.astype(float)))[0].mean(0)
    return net


def make_conv_net():
    rng = np.random.default_rng(0)
    return Net([Conv(1, 3, 5, rng), MaxPool(2, 2), ReLU(), Flatten(), Dense(48, 10, rng)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The page of the random net, with an image of the reader's whose path is hostile: its path,
    the JSON in it, and the net."""
    folder, images = tmp_path_factory.mktemp("lesson"), strokes.draw(60, 1)[0]
    net = make_net(images)
    picture = folder / HOSTILE
    picture.parent.mkdir(parents=True)
    Image.fromarray((images[0, 0] * 255).astype("uint8")).save(picture)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "load", lambda *_: ("mnist", None, (images, net.predict(images))))
        patch.setattr(cache, "load_or_train", lambda names, *_: dict.fromkeys(names, net))
        path = lesson.main(image=str(picture), out=str(folder / "out"), quiet=True)
    text = path.read_text()
    data = re.search(r'<script id="lesson" type="application/json">(.*?)</script>', text, re.S)[1]
    return path, json.loads(data), net


@pytest.fixture(scope="module")
def whole(made):
    """The digit that is shown whole, its pixels, and the net."""
    _, data, net = made
    digit = data["digits"][data["first"]]
    return digit, floats(digit["forward"]["arrays"][0]).astype(float).reshape(1, 1, 28, 28), net


# ---- What the page holds ---------------------------------------------------------------------


def test_the_page_is_one_small_file_that_asks_for_nothing(made):
    path, _, _ = made
    text = path.read_text()
    assert len(text.encode()) < 3e6
    assert "default-src 'none'" in text
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert addresses and all(address.startswith(("data:", "#")) or "README.md" in address
                             for address in addresses)
    assert not re.search(r"@import|url\(|fetch\(|XMLHttpRequest|import\(", text)
    assert [entry.name for entry in path.parent.iterdir()] == ["lesson.html"]


def test_the_link_to_the_results_leads_there(made):
    path, _, _ = made
    link, = re.findall(r'href="([^"]*README.md)"', path.read_text())
    assert (path.parent / link).resolve() == LESSON.parents[1] / "results" / "README.md"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_folder_whose_name_is_no_text_is_linked_from(tmp_path):
    link = document.link_results(tmp_path / os.fsdecode(b"caf\xe9<") / "lesson.html")
    assert link.startswith("../") and link.isascii() and "<" not in link


def test_sources_stand_in_the_page_as_inspect_gives_them(made):
    text = html.unescape(made[0].read_text())
    for function in (search_one, line_search, softmax_cross_entropy):
        assert inspect.getsource(function).rstrip() in text
    for function in (Dense.forward, Dense.backward, Sigmoid.forward, Sigmoid.backward):
        assert re.sub(r"(?m)^    ", "", inspect.getsource(function)).rstrip() in text


def test_a_path_cannot_end_the_script_or_add_a_tag(made):
    path, data, _ = made
    text = path.read_text()
    assert "<img src=x" not in text and text.count("</script>") == 2
    assert any(digit["name"].endswith(HOSTILE) for digit in data["digits"])


def test_json_cannot_hold_a_tag_or_a_number_that_is_none():
    assert "<" not in encode.encode_json({"name": "</script>"})
    with pytest.raises(ValueError):
        encode.encode_json([float("nan")])


def test_script_and_style_stay_short():
    lines = [line for name in ("page.js", "page.css")
             for line in (LESSON / name).read_text().splitlines()]
    assert len(lines) < 500 and max(map(len, lines)) <= 100


def test_a_page_that_would_be_too_large_is_not_written(monkeypatch, tmp_path):
    images = strokes.draw(60, 1)[0]
    net = make_net(images)
    monkeypatch.setattr(samples, "load", lambda *_: ("mnist", None, (images, net.predict(images))))
    monkeypatch.setattr(cache, "load_or_train", lambda names, *_: dict.fromkeys(names, net))
    monkeypatch.setattr(lesson, "write_page", lambda *_: "a" * 3_010_000)
    with pytest.raises(RuntimeError, match="3.01 MB, more than 3.*nothing is written"):
        lesson.main(out=str(tmp_path), quiet=True)
    assert not list(tmp_path.iterdir())


# ---- Forward and backward --------------------------------------------------------------------


def test_the_arrays_forward_are_those_of_the_net(whole):
    digit, x, net = whole
    y, arrays = to_device(x), digit["forward"]["arrays"]
    for layer, text in zip(net.layers, arrays[1:], strict=True):
        y = layer.forward(y)[0]
        assert text is None or floats(text) == pytest.approx(to_host(y).ravel(), rel=1e-6)
    assert arrays[1] is None                            # Flatten: the same numbers
    assert digit["label"] == net.predict(x)[0]
    softmax = np.exp(to_host(y)[0]) / np.exp(to_host(y)).sum()
    assert digit["forward"]["softmax"] == pytest.approx(softmax, rel=1e-3, abs=1e-12)


def test_the_terms_forward_are_weights_times_inputs_and_add_up(whole):
    digit, x, net = whole
    W, b = map(to_host, net.params[:2])
    sums, pixels = digit["forward"]["units"][1], x.ravel()
    index, factor, product = (read(sums[key]).reshape(12, -1) for key, read in (
        ("index", indices), ("factor", floats), ("product", floats)))
    for unit in range(12):
        products = pixels * W[:, unit]
        assert factor[unit] == pytest.approx(W[index[unit], unit], rel=1e-6)
        assert product[unit] == pytest.approx(products[index[unit]], rel=1e-6)
        assert abs(product[unit]) == pytest.approx(np.sort(abs(products))[::-1][:4], rel=1e-6)
    assert floats(sums["constant"]) == pytest.approx(b, abs=1e-6)
    whole_sums = product.sum(1) + floats(sums["others"]) + b
    assert whole_sums == pytest.approx(floats(digit["forward"]["arrays"][2]), rel=1e-5)


def test_the_gradients_are_those_of_the_net_for_every_label(whole):
    digit, x, net = whole
    logits, caches = net.forward(to_device(x))
    assert [*digit["backward"]] == [str(label) for label in range(10)]
    for label, way in digit["backward"].items():
        loss, dlogits = softmax_cross_entropy(logits, to_device(np.array([int(label)])))
        assert way["loss"] == pytest.approx(float(loss[0]), rel=1e-3)
        assert floats(way["arrays"][0]) == pytest.approx(to_host(dlogits)[0], rel=1e-6)
        assert way["arrays"][-1] is None                # Flatten: the same numbers
        dx = to_host(net.backward(dlogits, caches)).ravel()
        assert floats(way["arrays"][-2]) == pytest.approx(dx, rel=1e-5, abs=1e-12)


def test_the_terms_backward_add_up_to_dx_and_the_numeric_value_is_near(whole):
    digit, _, _ = whole
    way = digit["backward"]["3"]
    for k, sums in enumerate(way["units"][:-1]):
        dx = floats(way["arrays"][k + 1])
        product = floats(sums["product"]).reshape(len(dx), -1)
        assert product.sum(1) + floats(sums["others"]) == pytest.approx(dx, rel=1e-4, abs=1e-6)
        assert floats(sums["numeric"]) == pytest.approx(dx, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("limit", [1000, 10])
def test_maps_too_are_explained_and_large_arrays_in_part(limit):
    net, x = make_conv_net(), np.random.default_rng(1).random((1, 1, 12, 12))
    passed = chain.pass_forward(net, x, limit)
    sizes = [144, 192, 48, 48, 48, 10]
    if limit == 1000:
        assert [len(units) for units in passed.explained] == sizes
    else:
        assert [len(units) for units in passed.explained] == [12, 3, 3, 3, 3, 10]
    logits, caches = net.forward(to_device(x))
    dy = softmax_cross_entropy(logits, to_device(np.array([3])))[1]
    for i in reversed(range(len(net.layers))):
        dx = net.layers[i].backward(dy, caches[i])
        products = passed.columns[i].T * to_host(dy).ravel()
        assert products.sum(1) == pytest.approx(to_host(dx).ravel()[passed.explained[i]])
        dy = dx
    W = to_host(net.params[0])
    unit = passed.explained[1][-1]                      # of the last map of Conv
    map_, row, column = np.unravel_index(unit, (3, 8, 8))
    seen = np.zeros((12, 12))
    seen[row:row + 5, column:column + 5] = W[map_, 0]
    assert passed.rows[0][-1].reshape(12, 12) == pytest.approx(seen)
    assert len(chain.encode_backward(passed, 3)["units"]) == 5


def test_numeric_slopes_are_those_of_the_whole_loss(whole):
    _, x, net = whole
    passed, wanted = chain.pass_forward(net, x, 1000), to_device(np.array([2]))
    a = to_device(x.copy())
    places = [(0, 0, 9, 9), (0, 0, 14, 12)]
    slopes = numeric_gradient(lambda: softmax_cross_entropy(net.forward(a)[0], wanted)[0][0], a,
                              places)
    ours = chain.measure_slopes(passed, 0, wanted, [28 * 9 + 9, 28 * 14 + 12])
    assert ours == pytest.approx(slopes)


# ---- The search ------------------------------------------------------------------------------


def test_recording_changes_nothing_and_notes_every_evaluation(whole):
    digit, x, net = whole
    target = (digit["label"] + 1) % 10
    x = x.astype(np.float32)
    plain, details = D(net, x, target, solver="scipy", details=True)
    recorder, found, log_c = trace.record_search(net, x, target)
    assert (found == plain).all()
    assert len(recorder.evaluations) == details.evaluations[0]
    assert log_c == np.log(details.c[0])
    assert all(recorder.evaluations[end["at"]]["margin"] == end["margin"] for end in recorder.ends)
    inside = [x.ravel() + point["r"] for point in recorder.evaluations]
    assert np.min(inside) >= -1e-12 and np.max(inside) <= 1 + 1e-12


def test_the_last_frame_of_every_search_has_the_wanted_label(made):
    _, data, _ = made
    found = 0
    for i, digit in enumerate(data["digits"]):
        assert digit["search"].keys() == {str(label) for label in range(10)} - {str(digit["label"])}
        for label, search in digit["search"].items():
            frames, ends = search["frames"], search["ends"]
            assert "r" in frames[-1]
            if not search["found"]:                     # it happens on a net that learnt nothing
                assert all(frame["label"] != int(label) for frame in frames)
                continue
            found += 1
            assert frames[-1]["label"] == int(label)
            if i == data["first"]:
                assert frames[0]["label"] == digit["label"] and frames[0]["length"] == 0
                assert frames[0]["margin"] == pytest.approx(-1)
                assert all("r" in frame for frame in frames) and len(frames) > len(ends)
            else:
                assert len(frames) == len(ends) + 1
            shortest = min(frame["length"] for frame in frames if frame["label"] == int(label))
            assert frames[-1]["length"] == pytest.approx(shortest, rel=1e-3)
    assert found > 50


def test_the_interval_narrows_between_the_best_success_and_the_nearest_failure():
    ends = [{"log_c": c, "has_label": ok} for c, ok in
            ((0, False), (-1, True), (-0.5, True), (-0.25, False))]
    assert trace.narrow(ends) == ([None, -1, -0.5, -0.5], [0, 0, 0, -0.25])
    ends.append({"log_c": 1, "has_label": True})        # above all failures: they say nothing now
    assert [end[-1] for end in trace.narrow(ends)] == [1, None]


# ---- Units, slips ----------------------------------------------------------------------------


def test_every_set_has_ten_pictures_and_its_purity(made):
    units = made[1]["units"]
    for kind in ("unit", "direction"):
        for one in units[kind]["sets"]:
            counts = np.bincount(one["digits"])
            assert len(one["images"]) == 10 and one["purity"] == counts.max() / 10
            assert all(units["pictures"][str(image)].startswith("data:image/png")
                       for image in one["images"])


def test_the_demonstrations_show_what_they_say(whole):
    digit, x, net = whole
    target = (digit["label"] + 1) % 10
    _, found, log_c = trace.record_search(net, x.astype(np.float32), target)
    shown = slips.show_slips(net, x, found.astype(float), digit["label"], target, log_c)
    assert len(shown) == 7 and all(len(one.rows) == len(one.says) for one in shown)
    numbers = [[[float(cell.rstrip(" %")) if re.fullmatch(r"[+-]?[\d.e-]+( %)?", cell) else cell
                 for cell in row] for row in one.rows] for one in shown]
    success = [row for row in numbers[0] if row[3] == "success"]
    assert success and numbers[0][-1][3] == "failure"
    nearest = min(success, key=lambda row: row[1])
    assert nearest == max(success)                      # the largest c that succeeds is nearest
    assert "the nearest one" in shown[0].says[numbers[0].index(nearest)]
    for step, ahead, back, squared, squared_back in numbers[1]:
        assert ahead - back == pytest.approx(2 * slips.C, abs=4 * step + 2e-4)
        assert squared == pytest.approx(squared_back, abs=4 * step + 2e-4)
    assert numbers[3][0][3] < 0.5 < numbers[3][2][3]                    # two labels, ten labels
    assert numbers[4][2][2] / numbers[4][1][2] == pytest.approx(28, rel=0.01)
    assert all(ours >= gain for _, gain, ours, _ in numbers[5])
    assert all(printed < gain for _, gain, _, printed in numbers[5][1:])
    assert [row[3] for row in numbers[6]] == [1, 2, 3]


# ---- In a browser ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium without a window and without a network, or a skip that says why."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed: "
                                    "pip install -r requirements-browser.txt")
    paths = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if not all(paths):
        pytest.skip("there is no browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = paths[0]
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                 "--window-size=1280,720", "--host-resolver-rules=MAP * ~NOTFOUND"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("no_proxy", "localhost,127.0.0.1")
        driver = webdriver.Chrome(options, webdriver.ChromeService(paths[1]))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, made):
    """The browser with the page freshly opened; at the end the console must be empty."""
    browser.get(made[0].as_uri())
    yield browser
    assert browser.get_log("browser") == []


def read(browser, selector):
    return browser.execute_script("return document.querySelector(arguments[0]).innerText", selector)


BROKEN = r"NaN|undefined|Infinity|null"


def read_results(browser):
    """The text of all sections but the exercises."""
    return browser.execute_script("return [...document.querySelectorAll('section')].slice(0, -1)"
                                  ".map(section => section.innerText).join(' ')")


def click_unit(browser, selector, unit, columns):
    """A real click of the mouse on a unit of a canvas that shows one map."""
    from selenium.webdriver import ActionChains
    canvas = browser.find_element("css selector", selector)
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    cell = canvas.rect["width"] / columns
    rows = round(canvas.rect["height"] / cell)
    ActionChains(browser).move_to_element_with_offset(
        canvas, int((unit % columns + 0.5 - columns / 2) * cell),
        int((unit // columns + 0.5 - rows / 2) * cell)).click().perform()


def choose(browser, name, value):
    browser.execute_script("document.querySelector(arguments[0]).click()",
                           f"input[name={name}][value='{value}']")


def test_the_page_opens_without_network_and_without_an_error(opened, made):
    assert "how to fool it" in read(opened, "h1")
    assert opened.execute_script("return performance.getEntriesByType('resource')"
                                 ".filter(e => !e.name.startsWith('data:')).length") == 0
    assert read(opened, "#answer").startswith(f"f(x) = {made[1]['digits'][0]['label']}.")
    assert "The label has turned" in read(opened, "#verdict")


def test_a_path_of_tags_is_shown_as_text(opened):
    assert HOSTILE in read(opened, "#answer")
    assert opened.title == "The lesson: gradients and the search"
    assert opened.execute_script("return document.querySelectorAll('img[src=x]').length") == 0


def test_a_click_on_a_unit_shows_the_numbers_that_python_computed(opened, whole):
    digit, x, net = whole
    click_unit(opened, "#forward-1 canvas[data-array=y]", 7, 12)
    W, b = (to_host(p)[..., 7] for p in net.params[:2])
    products = x.ravel() * W
    largest = np.argsort(-abs(products))[:4]
    text = read(opened, "#forward-1 .sum")
    assert f"number 7: y = {products.sum() + b:#.4g}" in text
    for i in largest:
        row, column = divmod(i, 28)
        assert (f"row {row}, column {column}\t{x.ravel()[i]:#.4g}\t{W[i]:#.4g}\t{products[i]:#.4g}"
                in text)
    label = opened.execute_script("return state.label")
    logits, caches = net.forward(to_device(x))
    dx = to_host(net.backward(softmax_cross_entropy(logits, to_device(np.array([label])))[1],
                              caches)).ravel()
    unit = abs(dx).argmax() // 28 * 28 + 15
    click_unit(opened, "#backward-1 canvas[data-array=dx]", unit, 28)
    numbers = re.findall(r"^(?:analytic|numeric).*?(-?\d\.\d+)$", read(opened, "#backward-1 .sum"),
                         re.M)
    assert [float(number) for number in numbers] == pytest.approx([dx[unit]] * 2, abs=2e-7)


def test_the_keyboard_moves_from_unit_to_unit(opened):
    opened.execute_script("document.querySelector('#forward-1 input').value = 3;"
                          "document.querySelector('#forward-1 input').dispatchEvent("
                          "new Event('change'))")
    canvas = opened.find_element("css selector", "#forward-1 canvas[data-array=y]")
    canvas.send_keys("\ue014")                          # the arrow to the right
    assert read(opened, "#forward-1 .sum").startswith("number 4:")
    assert opened.switch_to.active_element == canvas


def test_scrubbing_to_the_end_shows_that_the_label_has_turned(opened, made):
    digit = made[1]["digits"][made[1]["first"]]
    bar = opened.find_element("css selector", "#at")
    bar.send_keys("\ue011")                             # Home: the first evaluation, r = 0
    label = opened.execute_script("return state.label")
    assert f"The net says {digit['label']}, not the wanted label {label}." in \
        read(opened, "#verdict")
    assert re.search(r"\|r\|\s+0\.000", read(opened, "#numbers"))
    bar.send_keys("\ue010")                             # End
    assert f"the net says {label}.  The label has turned." in opened.execute_script(
        "return document.querySelector('#verdict').textContent")
    assert f"{digit['search'][str(label)]['frames'][-1]['length']:#.4g}" in \
        read(opened, "#numbers")
    opened.find_element("css selector", "#play").click()
    assert read(opened, "#play") == "Pause"


def test_every_digit_and_every_label_can_be_shown(opened, made):
    digits = made[1]["digits"]
    for digit, label in [*((i, i % 10) for i in range(len(digits))), *((0, i) for i in range(10))]:
        choose(opened, "digit", digit)
        choose(opened, "label", label)
        shown = read_results(opened)
        assert not re.search(BROKEN, shown), (digit, label)
        own = digits[digit]["label"] == label
        assert ("The net gives this image the wanted label already" in shown) == own


def test_ten_random_clicks_leave_no_nan(opened):
    rng = np.random.default_rng(0)
    for _ in range(10):
        things = opened.execute_script(
            "return [...document.querySelectorAll('main canvas[tabindex], main button')]"
            ".filter(thing => thing.offsetParent && !thing.disabled)")
        thing = things[rng.integers(len(things))]
        opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", thing)
        thing.click()
        assert not re.search(BROKEN, read_results(opened))


def test_a_slip_is_stepped_through_to_its_end(opened):
    slip = opened.find_elements("css selector", ".slip")[0]
    ahead = slip.find_elements("css selector", "button")[1]
    assert len([row for row in slip.find_elements("css selector", "tbody tr")
                if row.is_displayed()]) == 1
    assert "So:" not in slip.text
    while ahead.is_enabled():
        opened.execute_script("arguments[0].click()", ahead)
    assert "So:" in slip.text
    assert all(row.is_displayed() for row in slip.find_elements("css selector", "tbody tr"))


@pytest.mark.parametrize("width", [400, 1280, 1920])
def test_no_width_makes_the_page_scroll_sideways(opened, width):
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
        "width": width, "height": 720, "deviceScaleFactor": 1, "mobile": False})
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_every_picture_and_every_field_has_a_name(opened):
    nameless = opened.execute_script("""
        return [...document.querySelectorAll('canvas, img, input, svg, button, pre')].filter(e =>
            !(e.getAttribute('aria-label') || e.alt || e.getAttribute('aria-labelledby') ||
              e.labels?.length || e.innerText?.trim())).map(e => e.outerHTML)""")
    assert nameless == []
