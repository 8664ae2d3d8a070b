"""data.load_photographs: sets and folders in train and test; ImageNet's 1,000 classes, by hand."""

import numpy as np
import pytest
from PIL import Image
from toy_archives import BATCHES, assert_cifar, assert_imagenette

import data as datasets
from data import cifar10, folder, imagenet, imagenette

RNG = np.random.default_rng(0)


def fill(root, *names):
    """Write an image of random pixels under each name."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).save(root / name)


def files(root):
    """(train, test): the files of the two Photographs."""
    name, train, test = datasets.load_photographs(str(root), 8, quiet=True)
    assert name == str(root)
    return [list(part.files) for part in (train, test)]


def one_line(call, *words):
    """The call raises ValueError, of one line that holds these words."""
    with pytest.raises(ValueError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words), message


# Sets


def test_cifar10_is_a_set_of_photographs(raw):
    name, *loaded = datasets.load_photographs("cifar10", 32, quiet=True)
    assert name == "cifar10"
    assert_cifar(loaded)


@pytest.mark.parametrize("sizes", [(32,), (227,), (8,), (24, 48), (45, 50)])
def test_images_of_cifar10_are_resized_as_their_files_would_be(raw, tmp_path, sizes):
    _, train, _ = datasets.load_photographs("cifar10", *sizes, quiet=True)
    rows = np.frombuffer(BATCHES[cifar10.FILES[1]], np.uint8).reshape(3, -1)
    pixels = rows[2, 1:].reshape(3, 32, 32).transpose(1, 2, 0)
    (tmp_path / "png").mkdir()
    Image.fromarray(pixels).save(tmp_path / "png" / "a.png")
    expected, _ = folder.load(tmp_path / "png", *sizes, quiet=True).images()
    x, kept = train.images([5])
    assert kept.tolist() == [5] and x.shape == (1, 3, sizes[0], sizes[0])
    assert (x == expected).all() and x.dtype == np.float32


def test_cifar10_comes_in_batches_like_a_folder(raw):
    _, train, _ = datasets.load_photographs("cifar10", 8, quiet=True)
    batches = list(train.batches([14, 3, 0], 2))
    assert [rows.tolist() for _, rows in batches] == [[14, 3], [0]]
    assert (np.concatenate([x for x, _ in batches]) == train.images([14, 3, 0])[0]).all()


def test_imagenette_is_a_set_of_photographs(raw):
    name, *loaded = datasets.load_photographs("imagenette", 8, quiet=True)
    assert name == "imagenette"
    assert_imagenette(loaded)
    assert loaded[0].classes[:3] == ["tench", "English springer", "cassette player"]


@pytest.mark.parametrize("name", ["tpyo", "mnist", "auto", "CIFAR10", ""])
def test_what_is_neither_a_set_nor_a_folder_is_refused_with_the_choices(name):
    one_line(lambda: datasets.load_photographs(name, 8), repr(name)[1:-1], "cifar10", "imagenette",
             "a folder of photographs")


def test_photographs_are_no_digits():
    one_line(lambda: datasets.load("cifar10"), "'cifar10'", "auto, mnist or strokes")


@pytest.mark.parametrize("name", ["cifar10", "imagenette"])
def test_of_a_set_too_the_square_is_no_larger_than_the_short_side(raw, name):
    one_line(lambda: datasets.load_photographs(name, 8, 7, quiet=True),
             "no shorter than the square")


# Folders


@pytest.mark.parametrize(("first", "second"), [
    ("train", "val"), ("train", "test"), ("train", "validation"), ("Train", "valid"),
    ("training", "Val"), ("TRAIN", "Testing")])
def test_a_folder_of_train_and_val_or_test_is_these_two(tmp_path, first, second, capsys):
    fill(tmp_path, f"{first}/a/1.png", f"{first}/b/2.png", f"{second}/b/3.png", "notes/4.png",
         "__MACOSX/x.png", f"{first}/__MACOSX/y.png")
    (tmp_path / second / "a").mkdir()
    _, train, test = datasets.load_photographs(str(tmp_path), 8, quiet=True)
    assert f"{tmp_path}: reading {first} and {second}; not read: notes\n" in capsys.readouterr().err
    assert train.root == tmp_path / first and test.root == tmp_path / second
    assert train.files == ["a/1.png", "b/2.png"] and test.files == ["b/3.png"]
    assert train.classes == test.classes == ["a", "b"]
    assert train.t.tolist() == [0, 1] and test.t.tolist() == [1]


def test_val_comes_before_test_which_may_lack_labels(tmp_path):
    fill(tmp_path, "train/a/1.png", "val/a/2.png", "test/3.png")
    assert files(tmp_path) == [["a/1.png"], ["a/2.png"]]


def test_train_and_validation_without_classes_are_no_classes(tmp_path):
    fill(tmp_path, "train/1.png", "train/2.png", "validation/3.png")
    _, train, test = datasets.load_photographs(str(tmp_path), 8, quiet=True)
    assert train.files == ["1.png", "2.png"] and test.files == ["3.png"]
    assert train.classes == test.classes == [] and set(train.t) | set(test.t) == {-1}


@pytest.mark.parametrize("other", ["holdout", "train2"])
@pytest.mark.parametrize("part", ["train", "Val", "test"])
def test_one_part_alone_is_refused_with_the_names_that_are_accepted(tmp_path, part, other):
    fill(tmp_path, f"{part}/1.png", f"{other}/2.png")
    one_line(lambda: files(tmp_path), f"{tmp_path}: a folder {part} alone", "train, training",
             "val, valid, validation, test, testing")


@pytest.mark.parametrize(("names", "odd"), [
    (["train/a/1.png", "train/b/2.png", "val/a/3.png"], "b"),
    (["train/b/1.png", "val/a/2.png", "val/b/3.png"], "a"),
    (["train/a/1.png", "val/2.png"], "a"),
])
def test_classes_that_differ_are_refused_since_they_would_shift_the_labels(tmp_path, names, odd):
    fill(tmp_path, *names)
    one_line(lambda: files(tmp_path), str(tmp_path), "1 class folders", f"({odd})", "expected",
             "train and val")


@pytest.mark.parametrize("options", [{}, {"size": 5, "short": 7, "strict": True}])
def test_of_any_other_folder_a_fifth_always_the_same_is_the_test(tmp_path, options):
    fill(tmp_path, *(f"{name}/{i:02}.png" for name in "ab" for i in range(15)))
    whole = folder.load(tmp_path, 8)
    _, train, test = datasets.load_photographs(str(tmp_path),
                                               **{"size": 8, "quiet": True, **options})
    assert len(train) == 24 and len(test) == 6
    assert sorted(train.files + test.files) == whole.files
    label = dict(zip(whole.files, whole.t.tolist(), strict=True))
    for part in (train, test):
        assert part.files == sorted(part.files) and part.classes == ["a", "b"]
        assert part.t.tolist() == [label[file] for file in part.files]
    assert test.files == [
        "a/01.png", "a/08.png", "a/10.png", "a/12.png", "b/03.png", "b/10.png"]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 10])
def test_of_few_images_one_at_least_is_the_test(tmp_path, count):
    fill(tmp_path, *(f"{i}.png" for i in range(count)))
    _, train, test = datasets.load_photographs(str(tmp_path), 8, quiet=True)
    assert len(test) == (2 if count == 10 else 1) and len(train) == count - len(test)
    assert set(train.t) | set(test.t) == {-1} and train.classes == test.classes == []
    assert train.images()[0].shape == (len(train), 3, 8, 8)


def test_a_flag_reaches_both_parts(tmp_path):
    fill(tmp_path, "train/a.png", "val/b.png")
    for part in datasets.load_photographs(str(tmp_path), 5, 7, True, True)[1:]:
        assert (part.size, part.short, part.strict, part.quiet) == (5, 7, True, True)


# ImageNet's 1,000


def test_imagenets_classes_are_a_thousand_in_the_order_of_their_ids():
    assert len(imagenet.WNIDS) == len(imagenet.NAMES) == 1000
    assert sorted(set(imagenet.WNIDS)) == imagenet.WNIDS
    assert all(len(w) == 9 and w[0] == "n" and w[1:].isdigit() for w in imagenet.WNIDS)
    assert all(name == name.strip() != "" and "," not in name for name in imagenet.NAMES)
    assert list(zip(imagenet.WNIDS, imagenet.NAMES, strict=True)) == imagenet.CLASSES


@pytest.mark.parametrize(("row", "wnid", "name"), [
    (0, "n01440764", "tench"), (9, "n01518878", "ostrich"), (134, "n02012849", "crane"),
    (207, "n02099601", "golden retriever"), (407, "n02701002", "ambulance"),
    (517, "n03126707", "crane"), (607, "n03590841", "jack-o'-lantern"),
    (638, "n03710637", "maillot"), (639, "n03710721", "maillot"),
    (779, "n04146614", "school bus"), (999, "n15075141", "toilet tissue")])
def test_rows_and_names_are_those_of_the_published_list(row, wnid, name):
    assert imagenet.CLASSES[row] == (wnid, name) and imagenet.ROW[wnid] == row
    assert imagenet.class_name(wnid) == name


def test_two_names_stand_for_two_classes_each():
    assert sorted(name for name in imagenet.NAMES if imagenet.NAMES.count(name) > 1) == [
        "crane", "crane", "maillot", "maillot"]


def test_a_folder_that_is_not_imagenets_has_its_own_name():
    assert imagenet.class_name("cat") == "cat" and imagenet.class_name("n00000001") == "n00000001"


@pytest.fixture
def birds(tmp_path):
    """Four images in three of ImageNet's folders."""
    fill(tmp_path, "n03126707/a.png", "n01518878/b.png", "n03126707/c.png", "n02012849/d.png")
    return folder.load(tmp_path, 8, quiet=True)


def test_classes_are_imagenets_words_for_its_folders(birds):
    assert birds.folders == ["n01518878", "n02012849", "n03126707"]
    assert birds.classes == ["ostrich", "crane", "crane"]


def test_a_net_of_imagenets_thousand_gets_imagenets_rows(birds):
    t, names = imagenet.match_labels(birds, imagenet.WNIDS)
    assert t.tolist() == [9, 134, 517, 517] and t.dtype == np.int64 and names[9] == "ostrich"
    assert names[134] == "crane (n02012849)" and len(set(names)) == 1000


def test_the_labels_are_counted_as_the_net_counts_them(birds):
    t, names = imagenet.match_labels(birds, [*birds.folders[::-1], "zoo"])
    assert t.tolist() == [2, 1, 0, 0]
    assert names == ["crane (n03126707)", "crane (n02012849)", "ostrich", "zoo"]


def test_photographs_without_class_folders_have_no_labels_but_the_net_has_names(tmp_path):
    fill(tmp_path, "a.png", "b.png")
    t, names = imagenet.match_labels(folder.load(tmp_path, 8), ["cat", "n01440764"])
    assert t.tolist() == [-1, -1] and names == ["cat", "tench"]


def test_imagenette_in_the_labels_of_imagenet(raw):
    _, _, test = datasets.load_photographs("imagenette", 8, quiet=True)
    assert imagenet.match_labels(test, imagenet.WNIDS)[0].tolist() == [
        0, 217, 482, 491, 497, 566, 569, 571, 574, 701]
    assert imagenet.match_labels(test, imagenette.CLASSES)[0].tolist() == list(range(10))


@pytest.mark.parametrize(("names", "classes", "said"), [
    (["cat/a.png", "dog/b.png"], imagenet.WNIDS, "2 of its classes (cat)"),
    (["dog/a.png", "n01440764/b.png"], imagenet.WNIDS, "1 of its classes (dog)"),
    (["n01440764/a.png", "n01518878/b.png"], ["cat", "n01440764"], "1 of its classes (n01518878)"),
])
def test_classes_that_the_net_does_not_know_are_refused(tmp_path, names, classes, said):
    fill(tmp_path, *names)
    one_line(lambda: imagenet.match_labels(folder.load(tmp_path, 8), classes), str(tmp_path), said,
             f"the net's {len(classes):,}", "expected")
