"""One's own picture: whatever its size, mode and colours, it becomes a digit as MNIST has them."""
import json
import os
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from experiments import attack
from experiments.shared import cache, own_digit, pictures, samples
from nets.models.fc import fc

SQUARE = (28, 28)


@pytest.fixture
def net(monkeypatch):
    """A small random net in the place of every trained one, and no data set to load."""
    net = fc((784, 16, 10), np.random.default_rng(0))
    net.params[0] *= 4                      # so that labels lie near to each other
    monkeypatch.setattr(cache, "load_or_train", lambda names, *_: dict.fromkeys(names, net))
    monkeypatch.setattr(samples, "load", lambda data, quiet: ("mnist", None, None))
    return net


def seven(size=(200, 300), paper=255, ink=0, pen=12, mode="L"):
    """A 7 as one draws it in a paint program, thinner than it is high."""
    image = Image.new(mode, size, paper)
    w, h = size
    stroke = [(0.3 * w, 0.2 * h), (0.7 * w, 0.2 * h), (0.4 * w, 0.8 * h)]
    ImageDraw.Draw(image).line(stroke, ink, pen, joint="curve")
    return image


def saved(image, tmp_path, name="digit.png"):
    path = tmp_path / name
    image.save(path)
    return str(path)


def attacked(net, tmp_path, target=None, image=None):
    """The numbers of a run, and the image that it was about; by default to the next label."""
    path = saved(image or seven(), tmp_path)
    x, _ = own_digit.read_picture(path)
    if target is None:
        target = (int(net.predict(x)[0]) + 1) % 10
    return x, target, attack.main(path, target, out=str(tmp_path / "out"), quiet=True)


# ---- Reading ---------------------------------------------------------------------------------


def test_a_28_x_28_png_comes_back_bit_for_bit(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, SQUARE).astype(np.uint8)
    pixels[0] = pixels[-1] = pixels[:, 0] = pixels[:, -1] = 0
    x, how = own_digit.read_picture(saved(Image.fromarray(pixels), tmp_path))
    assert how.startswith("28 x 28 pixels") and x.shape == (1, 1, 28, 28) and x.dtype == np.float32
    assert (x[0, 0] == pixels / np.float32(255)).all()
    assert "as it is" in how and "inverted" not in how


def test_dark_on_bright_is_inverted_and_says_so(tmp_path):
    white_on_black = seven(SQUARE, 0, 255, 3)
    x, _ = own_digit.read_picture(saved(white_on_black, tmp_path))
    inverted, how = own_digit.read_picture(saved(white_on_black.point(lambda v: 255 - v), tmp_path))
    assert (x == inverted).all()
    assert "inverted" in how


def test_a_28_x_28_picture_darker_than_its_dark_paper_is_taken_as_it_is(tmp_path):
    image = seven(SQUARE, 100, 20, 3)
    x, how = own_digit.read_picture(saved(image, tmp_path))
    assert (x[0, 0] == np.asarray(image) / np.float32(255)).all() and "as it is" in how


@pytest.mark.parametrize("image", [
    seven((300, 200)), seven(mode="RGB", paper="white", ink="orange"),
    seven(mode="RGBA", paper=(0, 0, 0, 0), ink=(0, 0, 200, 255)), seven(paper=170, ink=60),
    seven(paper=0, ink=255), seven().convert("P"), seven().convert("1"), seven(pen=3),
    seven().convert("CMYK"), Image.fromarray(np.asarray(seven()).astype(np.uint16) * 257),
    seven((40, 30), pen=2), seven((1600, 2400), pen=1)],
    ids=["wide", "colour", "on nothing", "grey paper", "white on black", "palette", "1 bit",
         "thin pen", "CMYK", "16 bits", "small", "a hair"])
def test_a_drawing_fills_a_20_x_20_box_with_its_weight_in_the_middle(image, tmp_path):
    x, how = own_digit.read_picture(saved(image, tmp_path, "digit.tiff"))
    x = x[0, 0].astype(float)
    rows, columns = np.flatnonzero((x > 0.3).any(1)), np.flatnonzero((x > 0.3).any(0))
    assert max(np.ptp(rows), np.ptp(columns)) == pytest.approx(19, abs=1)
    at = np.arange(28)
    centre = [(x.sum(axis) * at).sum() / x.sum() for axis in (0, 1)]
    assert centre == pytest.approx([14, 14], abs=0.6)       # moved by whole pixels
    assert x.max() > 0.95 and np.median(x) == 0
    assert 0.05 < x.mean() < 0.2                            # as the digits of MNIST
    assert "20 x 20" in how


@pytest.mark.parametrize("scale", [1, 8, 16, 257])
def test_sixteen_bits_with_another_white_are_the_same_drawing(tmp_path, scale):
    wide = Image.fromarray(np.asarray(seven()).astype(np.uint16) * scale)
    x, how = own_digit.read_picture(saved(wide, tmp_path))
    assert (x == own_digit.read_picture(saved(seven(), tmp_path))[0]).all()
    assert (f"the largest value, {255 * scale:,}, is white" in how) == (scale < 257)


def test_a_large_or_a_long_picture_is_shrunk_before_it_is_made_square(tmp_path):
    tracemalloc.start()
    long = Image.new("L", (40_000, 20), 255)
    long.paste(0, (19_000, 5, 19_900, 15))
    x, how = own_digit.read_picture(saved(long, tmp_path))
    largest = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert x.shape == (1, 1, 28, 28) and "40000 x 20 pixels" in how and largest < 2e8


def test_a_pen_has_the_width_that_it_was_drawn_with():
    for width in (4, 9, 20):
        drawn = np.zeros((200, 300), bool)
        drawn[50:50 + width, 20:280] = True
        assert own_digit.measure_pen_width(drawn) == pytest.approx(width * 4 / np.pi, rel=0.1)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    upright, turned = seven(), seven().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6                        # shown turned by 90 degrees clockwise
    turned.save(tmp_path / "turned.png", exif=exif)
    x, _ = own_digit.read_picture(saved(upright, tmp_path))
    assert (own_digit.read_picture(tmp_path / "turned.png")[0] == x).all()


# ---- The doors -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digit.png", "digit.jpg", "digit.gif"])
def test_a_truncated_picture_is_an_error(net, tmp_path, name):
    path = tmp_path / name
    seven().save(path)
    path.write_bytes(path.read_bytes()[:-len(path.read_bytes()) // 3])
    with pytest.raises(ValueError, match=f"{name}: not a picture"):
        attack.main(str(path), 3, out=str(tmp_path / "out"))


@pytest.mark.parametrize("content", [
    b"", b"a text", b"\x89PNG\r\n\x1a\n" + 40 * b"\xff",
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n%%EndComments\nshowpage\n%%EOF\n"],
    ids=["empty", "text", "no PNG", "EPS"])
def test_what_is_no_picture_is_an_error(net, tmp_path, content):
    (tmp_path / "digit.png").write_bytes(content)
    with pytest.raises(ValueError, match="digit.png: not a picture"):
        attack.main(str(tmp_path / "digit.png"), 3)


def test_a_picture_that_says_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / "digit.png"
    Image.new("1", (13_300, 13_300)).save(path)
    with pytest.raises(ValueError, match="digit.png: not a picture .*176890000 pixels"):
        own_digit.read_picture(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_is_an_error_and_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "digit.png")
    with pytest.raises(ValueError, match="digit.png: not a picture .*expected a regular file"):
        own_digit.read_picture(tmp_path / "digit.png")
    with pytest.raises(ValueError, match="no such file"):
        own_digit.read_picture(tmp_path / "none.png")


def test_a_flipped_bit_of_the_pixels_is_an_error(tmp_path):
    raw = bytearray(Path("experiments/results/digit.png").read_bytes())
    raw[len(raw) // 2] ^= 1
    (tmp_path / "digit.png").write_bytes(raw)
    with pytest.raises(ValueError, match="digit.png: not a picture"):
        own_digit.read_picture(tmp_path / "digit.png")


@pytest.mark.parametrize("image", [Image.new("L", (100, 80), 255), Image.new("L", (1, 1)),
                                   Image.new("L", SQUARE), Image.new("L", SQUARE, 255),
                                   Image.new("L", SQUARE, 100),
                                   seven(mode="RGBA", paper=(0, 0, 0, 0), ink="white")],
                         ids=["white", "one black pixel", "black 28 x 28", "white 28 x 28",
                              "grey 28 x 28", "white ink on nothing"])
def test_an_empty_picture_is_an_error(net, tmp_path, image):
    with pytest.raises(ValueError, match="nothing is drawn"):
        attack.main(saved(image, tmp_path), 3)


@pytest.mark.parametrize("target", [-1, 10, "three"])
def test_a_target_that_is_no_digit_is_an_error(net, tmp_path, target):
    with pytest.raises(ValueError, match=f"--target {target}: .* 0 to 9, or nearest"):
        attack.main(saved(seven(), tmp_path), target)


# ---- What comes out --------------------------------------------------------------------------


def test_the_image_found_has_the_label_and_the_png_is_that_image_rounded(net, tmp_path):
    x, target, numbers = attacked(net, tmp_path)
    assert numbers["x"]["label"] == net.predict(x)[0] != target
    assert numbers["D(x, l)"]["label"] == target
    assert 0 < numbers["D(x, l)"]["distortion"] < numbers["D(x, l)"]["largest |r|"] < 1
    png = Image.open(tmp_path / "out" / "attack-adversarial.png")
    assert png.mode == "L" and png.size == SQUARE
    image = (np.asarray(png) / 255)[None, None]
    assert numbers["8-bit"]["label"] == net.predict(image)[0]
    size = np.sqrt(((image - x) ** 2).mean())
    assert numbers["8-bit"]["distortion"] == pytest.approx(size)
    assert size == pytest.approx(numbers["D(x, l)"]["distortion"], abs=1 / 510)
    assert json.loads((tmp_path / "out" / "attack.json").read_text())["numbers"]["x"] == \
        numbers["x"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")
def test_a_name_that_is_no_text_is_escaped_in_what_is_saved(net, tmp_path, capsys):
    path = tmp_path / os.fsdecode(b"caf\xe9\n7.png")
    seven().save(path)
    attack.main(str(path), out=str(tmp_path / "out"), quiet=True)
    text = (tmp_path / "out" / "attack.md").read_text()
    record = json.loads((tmp_path / "out" / "attack.json").read_text())
    assert "caf\\udce9\\n7.png: 200 x 300 pixels" in text and text in capsys.readouterr().out
    assert record["flags"]["image"].endswith("caf\\udce9\\n7.png")
    assert "caf\\udce9\\n7.png" in record["command"]


def test_a_label_that_rounding_undoes_is_explained():
    def said(before, found, rounded):
        labels = zip(("x", "D(x, l)", "8-bit"), (before, found, rounded), strict=True)
        return attack.format_results("net", 3, {
            name: {"label": label, "softmax %": 50, "distortion": 0.04, "largest |r|": 0.2}
            for name, label in labels})

    assert "still has the label 3" in said(7, 3, 3)
    assert "has the label 7, no longer 3" in said(7, 3, 7) and "1/510" in said(7, 3, 7)


def test_an_image_that_has_the_label_already_is_its_own_answer(net, tmp_path, capsys):
    x, _ = own_digit.read_picture(saved(seven(), tmp_path))
    _, _, numbers = attacked(net, tmp_path, int(net.predict(x)[0]))
    assert numbers["D(x, l)"]["distortion"] == numbers["8-bit"]["largest |r|"] == 0
    assert "is x itself" in capsys.readouterr().out


def test_where_no_image_is_found_nothing_is_written(net, tmp_path):
    net.params[-2][:, 9] = 0                # label 9 loses to the others whatever the image
    net.params[-1][9] = -1e3
    with pytest.raises(RuntimeError, match="found no image .* labels 9"):
        attacked(net, tmp_path, 9)
    assert not list((tmp_path / "out").iterdir())


def test_where_one_file_cannot_be_written_all_are_those_of_the_run_before(
        net, tmp_path, monkeypatch):
    def full(picture, file):
        if picture.mode == "L":             # attack-adversarial.png, after attack.png
            raise OSError(28, "no room")

    attacked(net, tmp_path)
    files = list((tmp_path / "out").iterdir())
    for path in files:
        path.write_bytes(b"of the run before")
    monkeypatch.setattr(pictures, "write", full)
    with pytest.raises(OSError, match="no room"):
        attacked(net, tmp_path)
    assert sorted((tmp_path / "out").iterdir()) == sorted(files)
    assert {path.read_bytes() for path in files} == {b"of the run before"}


def test_r_is_magnified_as_far_as_99_per_cent_of_it_stays_in_range():
    r = np.zeros((1, 1, 28, 28))
    r[0, 0, 0, 0] = 0.9                                 # one pixel may be cut off
    assert attack.choose_magnification(r) == 1
    for largest, factor in ((0.9, 1), (0.5, 1), (0.25, 2), (0.03, 10), (1e-6, 500)):
        r[0, 0, 3:] = -largest
        assert attack.choose_magnification(r) == factor


def test_without_a_target_the_nearest_other_label_is_found(net, tmp_path):
    path = saved(seven(), tmp_path)
    nearest = attack.main(path, out=str(tmp_path / "nearest"), quiet=True)
    label = nearest["x"]["label"]
    others = [attack.main(path, k, out=str(tmp_path / str(k)), quiet=True) for k in range(10)
              if k != label]
    best = min(others, key=lambda numbers: numbers["D(x, l)"]["distortion"])
    for key, value in nearest["D(x, l)"].items():
        assert value == pytest.approx(best["D(x, l)"][key], rel=1e-6)
