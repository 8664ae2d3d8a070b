"""Photographs in a folder: listed and labelled, decoded, cut; and what is said of broken ones."""

import io
import os
import struct
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data import folder
from data.pictures import cut_square, open_picture

RNG = np.random.default_rng(0)
T = Image.Transpose
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are text")


def picture(width=12, height=8, mode="RGB"):
    """An image of random pixels."""
    pixels = RNG.integers(0, 256, (height, width, 3), np.uint8)
    return Image.fromarray(pixels).convert(mode)


def put(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return image


def levels(image):
    """An RGB image's pixels as (3, H, W) integers, 0 to 255."""
    return np.asarray(image, np.int64).transpose(2, 0, 1)


def only(root, size=8, **options):
    """The pixels (3, size, size) of the only image in a flat folder, 0 to 255."""
    x, rows = folder.load(root, size, quiet=True, **options).images()
    assert rows.tolist() == [0] and x.dtype == np.float32
    assert x.min() >= 0 and x.max() <= 1
    return np.round(x[0] * 255).astype(np.int64)


# Listed


def test_labels_are_the_indices_of_the_sorted_class_folders(tmp_path, capsys):
    for name in ("n3/b.JPEG", "n1/z.jpg", "n3/a.PNG", "n1/.hidden.jpg"):
        put(picture(), tmp_path / name)
    found = folder.load(tmp_path, 8, quiet=True)
    assert found.folders == found.classes == ["n1", "n3"]
    assert found.files == ["n1/z.jpg", "n3/a.PNG", "n3/b.JPEG"] and len(found) == 3
    assert found.t.tolist() == [0, 1, 1] and found.t.dtype == np.int64
    assert capsys.readouterr() == ("", "")


def test_what_is_not_read_is_no_class_and_is_reported_in_one_line(tmp_path, capsys):
    for name in ("cat/a.jpg", "dog/b.jpg", "dog/c.JFIF", "dog/d.jpe", "dog/more/e.jpg",
                 "__MACOSX/a.jpg", "@eaDir/b.jpg", "$RECYCLE.BIN/c.jpg",
                 ".ipynb_checkpoints/d.jpg"):
        put(picture(), tmp_path / name, format="JPEG")
    for name in ("dog/f.heic", "notes/a.txt", "synsets.TXT"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no image")
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "cat" / "loop.jpg").symlink_to(tmp_path / "cat" / "loop.jpg")
    found = folder.load(tmp_path, 8, quiet=True)
    assert found.folders == ["cat", "dog"]
    assert found.files == ["cat/a.jpg", "cat/loop.jpg", "dog/b.jpg", "dog/c.JFIF", "dog/d.jpe"]
    assert capsys.readouterr().err == (
        f"{tmp_path}: not read: 4 system folders ($RECYCLE.BIN, .ipynb_checkpoints, @eaDir, "
        "__MACOSX), 2 folders without an image (empty, notes), 1 images in deeper folders "
        "(dog/more/e.jpg), 4 files of other kinds (loop, .TXT, .heic, .txt)\n")
    assert found.images()[1].tolist() == [0, 2, 3, 4]
    assert "loop.jpg: a broken image (Too many levels" in capsys.readouterr().err


def test_many_folders_without_images_are_counted_and_the_first_named(tmp_path, capsys):
    put(picture(), tmp_path / "a" / "a.png")
    for i in range(30):
        (tmp_path / f"b{i:02}").mkdir()
    folder.load(tmp_path, 8)
    err = capsys.readouterr().err
    assert "30 folders without an image (b00, b01" in err and "b09, ...)" in err


@on_linux
def test_names_that_are_no_text_are_escaped_wherever_they_are_shown(tmp_path, capsys):
    odd = os.fsdecode(b"caf\xe9\n")
    put(picture(), tmp_path / odd / "a.png")
    (tmp_path / odd / "b.png").write_bytes(b"")
    found = folder.load(tmp_path, 8, quiet=True)
    assert found.classes == ["caf\\udce9\\n"] and found.name_of(0) == "caf\\udce9\\n/a.png"
    assert found.images()[1].tolist() == [0]
    assert f"{tmp_path}/caf\\udce9\\n/b.png: a broken image" in capsys.readouterr().err


def test_a_flat_folder_has_images_without_labels(tmp_path):
    for name in ("b.png", "a.png"):
        put(picture(), tmp_path / name)
    found = folder.load(tmp_path, 8, quiet=True)
    assert found.files == ["a.png", "b.png"] and found.classes == []
    assert found.t.tolist() == [-1, -1] and found.t.dtype == np.int64


def test_a_part_of_the_images_keeps_its_files_labels_and_classes(tmp_path):
    images = [put(picture(8, 8), tmp_path / name) for name in ("a/0.png", "b/1.png", "b/2.png")]
    part = folder.load(tmp_path, 8, quiet=True).select([2, 0])
    assert part.files == ["b/2.png", "a/0.png"] and part.t.tolist() == [1, 0]
    assert part.classes == ["a", "b"] and len(part) == 2
    x, rows = part.images()
    assert rows.tolist() == [0, 1] and (np.round(x[0] * 255) == levels(images[2])).all()


@pytest.mark.parametrize(("names", "place", "said"), [
    ([], "tpyo", "no such folder"),
    ([], "", "no images in it, nor in its 0 folders"),
    (["train/cat/a.png", "val/cat/b.png"], "", "no images in it, nor in its 2 folders"),
    (["a.png", "cat/b.png"], "", "1 images beside folders of images (cat/b.png)"),
])
def test_a_folder_that_is_no_folder_of_photographs_is_named_in_one_line(
        tmp_path, names, place, said):
    for name in names:
        put(picture(), tmp_path / name)
    with pytest.raises(ValueError) as caught:
        folder.load(tmp_path / place, 8)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / place}: {said}") and "expected" in message
    assert "\n" not in message


@pytest.mark.parametrize("sizes", [(0,), (8, 7), (8, 0)])
def test_the_square_is_no_larger_than_the_short_side(tmp_path, sizes):
    put(picture(), tmp_path / "a.png")
    with pytest.raises(ValueError, match="a short side no shorter than the square"):
        folder.load(tmp_path, *sizes)


# Decoded on demand


def test_only_the_rows_asked_for_are_decoded_in_their_order(tmp_path, capsys):
    images = [put(picture(8, 8), tmp_path / f"{i}.png") for i in range(5)]
    (tmp_path / "1.png").write_bytes(b"never looked at")
    x, rows = folder.load(tmp_path, 8, quiet=True).images([3, 0, 3])
    assert rows.tolist() == [3, 0, 3] and rows.dtype == np.int64
    expected = np.stack([levels(images[i]) for i in rows]).astype(np.float32)
    assert (x == expected / np.float32(255)).all()
    assert x.dtype == np.float32 and x.shape == (3, 3, 8, 8)
    assert capsys.readouterr() == ("", "")


def test_batches_are_the_images_n_at_a_time(tmp_path):
    for i in range(5):
        put(picture(), tmp_path / f"{i}.png")
    found = folder.load(tmp_path, 8, quiet=True)
    batches = list(found.batches(n=2))
    assert [rows.tolist() for _, rows in batches] == [[0, 1], [2, 3], [4]]
    assert (np.concatenate([x for x, _ in batches]) == found.images()[0]).all()
    assert found.images([])[0].shape == (0, 3, 8, 8)


def test_a_progress_bar_is_shown_on_a_terminal_unless_quiet(tmp_path, capsys, monkeypatch):
    put(picture(), tmp_path / "a.png")
    folder.load(tmp_path, 8).images()
    assert capsys.readouterr().err == ""                # a file of bars is no use to anybody
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    folder.load(tmp_path, 8).images()
    assert "reading photographs" in capsys.readouterr().err
    folder.load(tmp_path, 8, quiet=True).images()
    assert capsys.readouterr() == ("", "")


# Cut


def resample(x, length):
    """x (H, ...) to `length` rows: a triangle as wide as a pixel of the coarser grid, by hand."""
    scale = len(x) / length
    at = (np.arange(length) + 0.5) * scale
    weight = np.maximum(0, 1 - abs(np.arange(len(x)) + 0.5 - at[:, None]) / max(scale, 1))
    return np.tensordot(weight / weight.sum(1, keepdims=True), x, 1)


@pytest.mark.parametrize(("width", "height", "size", "short"), [
    (256, 300, 227, 256), (300, 256, 224, 256), (97, 131, 67, 75), (131, 97, 20, 75),
    (9, 5, 8, 13)])
def test_whole_pixels_of_the_resized_image_are_cut_out(tmp_path, width, height, size, short):
    image = put(picture(width, height), tmp_path / "a.png")
    sides = [short * side // min(width, height) for side in (height, width)]
    small = resample(resample(np.asarray(image, float), sides[0]).swapaxes(0, 1), sides[1])
    left, top = (round((side - size) / 2) for side in sides[::-1])          # halves to even
    expected = small[left:left + size, top:top + size].transpose(2, 1, 0)
    found = only(tmp_path, size, short=short)
    assert abs(found - expected).max() < 1.01 and abs(found - expected).mean() < 0.3
    if short == min(width, height) == 256:
        pixels = levels(image)[:, top:top + size, left:left + size]
        assert (found == pixels).all()      # nothing is resized, so nothing is blurred


@pytest.mark.parametrize("width_height", [(333, 500), (256, 400), (240, 320), (31, 97)])
def test_squares_are_those_of_torchvision(torchvision, width_height):
    transforms = torchvision.transforms
    image = picture(*width_height)
    for size, short in ((227, 256), (224, 256), (67, 75)):
        cut = transforms.Compose([transforms.Resize(short), transforms.CenterCrop(size)])
        assert (np.round(255 * cut_square(image, size, short)) == levels(cut(image))).all()


def test_a_photograph_that_would_be_too_large_when_resized_is_broken(tmp_path):
    put(Image.new("1", (40_000, 20)), tmp_path / "a.png")
    with pytest.raises(ValueError, match="40,000 x 20 pixels would become 512,000 x 256"):
        only(tmp_path, 227, short=256, strict=True)


@pytest.mark.parametrize("width_height", [(160, 80), (80, 160)])
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_the_short_side_is_resized_and_the_centre_cut_out(tmp_path, width_height, suffix):
    width, height = width_height
    put(picture(width, height), tmp_path / f"a.{suffix}")
    whole = Image.open(tmp_path / f"a.{suffix}")
    small = whole.resize((width // 4, height // 4), Image.Resampling.BILINEAR)
    left, top = width // 8 - 6, height // 8 - 6
    expected = levels(small.crop((left, top, left + 12, top + 12)))
    assert abs(only(tmp_path, 12, short=20) - expected).max() <= 1


def test_without_a_short_side_the_square_reaches_from_edge_to_edge(tmp_path):
    image = put(picture(12, 8), tmp_path / "a.png")
    assert (only(tmp_path, 8) == levels(image.crop((2, 0, 10, 8)))).all()


def test_a_small_image_is_scaled_up(tmp_path):
    halves = Image.new("RGB", (32, 32), (200, 0, 0))
    halves.paste((0, 0, 100), (16, 0, 32, 32))
    put(halves, tmp_path / "a.png")
    x = only(tmp_path, 227)
    assert x.shape == (3, 227, 227)
    assert (x[:, :, :110].max((1, 2)) == (200, 0, 0)).all()
    assert (x[:, :, 117:].max((1, 2)) == (0, 0, 100)).all()
    assert (np.diff(x[0], axis=1) <= 0).all()


# Any mode


@pytest.mark.parametrize(("mode", "suffix"), [
    ("1", "png"), ("L", "png"), ("LA", "png"), ("P", "png"), ("RGB", "png"), ("RGBA", "png"),
    ("P", "gif"), ("RGB", "bmp"), ("RGB", "ppm"), ("L", "pgm"), ("CMYK", "tiff"),
    ("YCbCr", "tif"),
])
def test_every_mode_becomes_rgb(tmp_path, mode, suffix):
    image = put(picture(8, 8, mode), tmp_path / f"a.{suffix}")
    assert abs(only(tmp_path) - levels(image.convert("RGB"))).max() <= 1


def test_a_cmyk_jpeg_keeps_its_colours(tmp_path):
    put(Image.new("RGB", (8, 8), (250, 130, 20)).convert("CMYK"), tmp_path / "a.jpg", quality=95)
    assert abs(only(tmp_path).mean((1, 2)) - (250, 130, 20)).max() < 3


@pytest.mark.parametrize(("dtype", "suffix"), [
    ("<u2", "png"), ("<u2", "tif"), (">u2", "tif"), ("<i4", "tif"), ("<u2", "pgm")])
def test_sixteen_bits_are_scaled_to_the_nearest_of_256_levels(tmp_path, dtype, suffix):
    wide = np.linspace(0, 65535, 64).astype(np.int64).reshape(8, 8)
    put(Image.fromarray(wide.astype(dtype)), tmp_path / f"a.{suffix}")
    x = only(tmp_path)
    assert (x == np.round(wide / 65535 * 255)).all() and x.min() == 0 and x.max() == 255


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("white", [1, 255, 3000, 4095])
def test_sixteen_bits_below_2_to_the_12_are_scaled_by_their_largest_value(
        tmp_path, white, suffix, capsys):
    wide = np.linspace(0, white, 64).astype(np.uint16).reshape(8, 8)
    put(Image.fromarray(wide), tmp_path / f"a.{suffix}")
    put(Image.fromarray(wide), tmp_path / f"b.{suffix}")
    x, _ = folder.load(tmp_path, 8, quiet=True).images()
    assert (np.round(255 * x) == np.round(wide / white * 255)).all()
    said, = capsys.readouterr().err.splitlines()        # once for the folder
    assert said.startswith(f"{tmp_path}: 16-bit images have no value of 4,096 or more")


def test_sixteen_bit_colour_of_twelve_bits_is_refused_since_it_would_be_black(tmp_path):
    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)

    def png(value):
        rows = 8 * (b"\0" + 24 * value.to_bytes(2, "big"))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)
                                           ) + chunk(b"IDAT", zlib.compress(rows)) + chunk(
                                               b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png(0x8000))
    assert (only(tmp_path) == 128).all()
    (tmp_path / "a.png").write_bytes(png(0x0800))
    with pytest.raises(ValueError, match="16-bit colour with no value above 4,095"):
        only(tmp_path, strict=True)


@pytest.mark.parametrize("numbers", [
    np.full((8, 8), 0.5, "f4"), np.full((8, 8), 65536, "i4"), np.full((8, 8), -1, "i4")])
def test_grey_levels_of_no_known_white_are_refused(tmp_path, numbers):
    put(Image.fromarray(numbers), tmp_path / "a.tif")
    with pytest.raises(ValueError, match="expected integers from 0 to 65535"):
        only(tmp_path, strict=True)


def test_a_transparent_value_of_sixteen_bits_is_white(tmp_path, capsys):
    grey = np.array([[0, 1000], [2000, 4000]], np.uint16)
    Image.fromarray(grey).save(tmp_path / "a.png", transparency=0)
    x, _ = folder.load(tmp_path, 2, quiet=True).images()
    assert np.round(x[0] * 255).tolist() == [[[255, 64], [128, 255]]] * 3
    assert "16-bit images have no value of 4,096" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB"])
def test_what_is_transparent_shows_white_behind_it(tmp_path, mode):
    options = {}
    if mode in ("RGBA", "LA"):
        image = Image.new("RGBA", (8, 8), (0, 0, 0, 51)).convert(mode)  # a fifth is black
        white = 204
    else:                                    # one colour, this black one, is transparent
        image, white = Image.new(mode, (8, 8)), 255
        options = {"transparency": 0 if mode == "P" else (0, 0, 0)}
    put(image, tmp_path / "a.png", **options)
    assert (only(tmp_path) == white).all()


def test_of_an_animation_the_first_image_is_taken(tmp_path):
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    put(first, tmp_path / "a.gif", save_all=True, append_images=[second])
    assert (only(tmp_path) == levels(first)).all()


STORED = {1: None, 2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE,
          6: T.ROTATE_90, 7: T.TRANSVERSE, 8: T.ROTATE_270}


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
@pytest.mark.parametrize("orientation", STORED)
def test_an_image_stands_upright_however_the_camera_was_held(tmp_path, orientation, mode):
    upright = picture(12, 8)
    if mode == "I;16":
        upright = Image.fromarray(np.asarray(upright)[:, :, 0].astype("<u2") * np.uint16(257))
    turn = STORED[orientation]
    exif = Image.Exif()
    exif[0x112] = orientation
    put(upright.transpose(turn) if turn is not None else upright, tmp_path / "a.png", exif=exif)
    middle = np.asarray(upright.crop((2, 0, 10, 8)))
    expected = levels(middle) if mode == "RGB" else middle // 257
    assert (only(tmp_path) == expected).all()


def test_exif_that_cannot_be_read_does_no_harm(tmp_path, recwarn):
    image = put(Image.new("RGB", (8, 8), (90, 90, 90)), tmp_path / "a.jpg",
                exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01" * 20)
    assert (only(tmp_path) == levels(image)).all() and not recwarn


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
def test_a_tiff_in_ycbcr_is_decoded_whatever_its_compression(tmp_path, compression):
    image = put(picture(8, 8, "YCbCr"), tmp_path / "a.tif", compression=compression)
    assert abs(only(tmp_path) - levels(image.convert("RGB"))).max() <= 1


def test_a_png_with_a_text_of_two_megabytes_is_whole(tmp_path):
    text = PngInfo()
    text.add_text("notes", 2_000_000 * "a", zip=True)
    image = put(picture(8, 8), tmp_path / "a.png", pnginfo=text)
    assert (only(tmp_path, strict=True) == levels(image)).all()


# Broken


def test_a_png_with_any_flipped_bit_is_broken_or_the_same_picture(tmp_path):
    pixels = np.asarray(Image.effect_noise((12, 12), 50).convert("RGB"))
    put(Image.fromarray(pixels), tmp_path / "a.png")
    whole, refused = (tmp_path / "a.png").read_bytes(), 0
    for bit in range(0, 8 * len(whole), 3):
        raw = bytearray(whole)
        raw[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a.png").write_bytes(raw)
        try:
            assert (np.asarray(open_picture(tmp_path / "a.png")) == pixels).all()
        except ValueError:
            refused += 1
    assert refused > 0.9 * len(range(0, 8 * len(whole), 3))     # all but the last checksum


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes")
def test_a_pipe_under_the_name_of_an_image_is_broken_and_nobody_waits(tmp_path, capsys):
    put(picture(), tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.jpg")
    assert folder.load(tmp_path, 8, quiet=True).images()[1].tolist() == [0]
    assert f"{tmp_path / 'b.jpg'}: a broken image (a folder, a pipe" in capsys.readouterr().err


def test_damaged_tiffs_give_one_line_each_and_none_of_pillows_or_libtiffs(tmp_path, capfd, caplog):
    for name, compression in (("a", "raw"), ("b", "tiff_lzw"), ("c", "tiff_adobe_deflate")):
        whole = encoded("TIFF", picture(40, 40), compression=compression)
        for cut in range(len(whole) // 2, len(whole), 97):
            (tmp_path / f"{name}{cut}.tif").write_bytes(whole[:cut])
        for bit in range(0, 80, 7):
            raw = bytearray(whole)
            raw[-1 - bit // 8] ^= 1 << bit % 8      # of the tags, which Pillow writes last
            (tmp_path / f"{name}{bit}bit.tif").write_bytes(raw)
    put(picture(), tmp_path / "z.png")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        folder.load(tmp_path, 8, quiet=True).images()
    *named, counted = capfd.readouterr().err.splitlines()
    assert not warned and "were broken and left out" in counted and len(named) > 20
    assert all(line.startswith(str(tmp_path)) for line in named)


def encoded(form, image=None, **options):
    file = io.BytesIO()
    (image or picture(40, 40)).save(file, form, **options)
    return file.getvalue()


BROKEN = {
    "cut.jpg": (encoded("JPEG")[:-200], "truncated"),
    "cut.png": (encoded("PNG")[:-200], "Truncated File Read"),
    "page.jpg": (b"<html>Please log in", "none of JPEG, PNG"),
    "empty.jpg": (b"", "none of JPEG, PNG"),
    "postscript.jpg": (encoded("EPS"), "none of JPEG, PNG"),
    "flipped.png": (encoded("PNG").replace(b"IHDR", b"IHDX"), "none of JPEG, PNG"),
    "bomb.png": (encoded("PNG", Image.new("RGB", (80, 80))), "decompression bomb"),
    "larger.png": (encoded("PNG", Image.new("RGB", (200, 200))), "decompression bomb"),
}


@pytest.fixture
def broken(request, tmp_path, monkeypatch):
    """A folder of three images, of which the second is broken: (its path, what is said)."""
    contents, said = BROKEN[request.param]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    for name in ("0.png", "9.png"):
        put(picture(), tmp_path / name)
    path = tmp_path / f"5{request.param}"
    path.write_bytes(contents)
    return path, said


@pytest.mark.parametrize("broken", BROKEN, indirect=True)
def test_a_broken_image_is_named_left_out_and_counted(broken, tmp_path, capsys):
    path, said = broken
    x, rows = folder.load(tmp_path, 8, quiet=True).images()
    assert rows.tolist() == [0, 2] and x.shape == (2, 3, 8, 8)
    assert (x[1] * 255).round().tolist() == levels(
        Image.open(tmp_path / "9.png").crop((2, 0, 10, 8))).tolist()
    named, counted = capsys.readouterr().err.splitlines()
    assert named.startswith(f"{path}: a broken image (") and said in named
    assert counted == f"{tmp_path}: 1 of 3 images were broken and left out"


@pytest.mark.parametrize("broken", BROKEN, indirect=True)
def test_a_broken_image_is_an_error_if_strict(broken, tmp_path):
    path, said = broken
    with pytest.raises(ValueError, match=said) as caught:
        folder.load(tmp_path, 8, strict=True, quiet=True).images()
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "--strict" in message and "\n" not in message
    assert message.count(path.name) == 1


def test_images_that_have_gone_since_they_were_listed_are_broken(tmp_path, capsys):
    for name in ("a.png", "b.png"):
        put(picture(), tmp_path / name)
    found = folder.load(tmp_path, 8, quiet=True)
    (tmp_path / "a.png").unlink()
    assert found.images()[1].tolist() == [1]
    assert f"{tmp_path / 'a.png'}: a broken image (No such file" in capsys.readouterr().err


def test_it_is_an_error_if_all_images_asked_for_are_broken(tmp_path):
    put(picture(), tmp_path / "a.png")
    for name in ("b.png", "c.png"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="all 2 images asked for are broken"):
        folder.load(tmp_path, 8, quiet=True).images([1, 2])
