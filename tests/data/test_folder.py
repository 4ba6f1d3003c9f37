"""load_folder returns exactly the pixels of the pictures, split by name, or an error that lists the bad files."""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from helpers.data_files import save_picture
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from tinygen.data import DataError, load, load_folder


@given(st.sampled_from([1, 3]), st.integers(1, 6), st.integers(1, 6), st.data())
def test_pictures_of_the_right_size_come_back_exactly(channels, height, width, data):
    shape = (height, width) if channels == 1 else (height, width, 3)
    pixels = data.draw(arrays(np.uint8, shape))
    with tempfile.TemporaryDirectory() as folder:
        save_picture(Path(folder, "a.png"), pixels)
        dataset = load_folder(folder, size=(height, width), channels=channels)
    assert dataset.train_images.dtype == np.float32
    assert np.array_equal(dataset.train_images[0], pixels.reshape(height, width, channels) / np.float32(255))


@given(st.sets(st.text("abc123", min_size=1, max_size=4), min_size=2, max_size=8), st.sampled_from([0, 0.2, 0.5, 0.9]))
def test_the_split_is_a_partition_by_name(names, fraction):
    values = dict(zip(sorted(names), itertools.count()))
    with tempfile.TemporaryDirectory() as folder:
        for name, value in values.items():
            save_picture(Path(folder, f"{name}.png"), [[value]])
        first, again = (load_folder(folder, size=1, test_fraction=fraction) for _ in range(2))
        for name in names:  # other pixels under the same names give the same split
            save_picture(Path(folder, f"{name}.png"), [[255 - values[name]]])
        inverted = load_folder(folder, size=1, test_fraction=fraction)
    assert first.sha256() == again.sha256()
    test, inverted_test = (np.rint(dataset.test_images.ravel() * 255) for dataset in (first, inverted))
    assert test.tolist() == (255 - inverted_test).tolist()
    train = np.rint(first.train_images.ravel() * 255)
    assert sorted([*train, *test]) == list(range(len(names)))
    assert len(test) == (0 if fraction == 0 else min(max(round(fraction * len(names)), 1), len(names) - 1))


def test_subfolders_are_the_classes(tmp_path):
    save_picture(tmp_path / "cat" / "1.png", [[10]])
    save_picture(tmp_path / "cat" / "young" / "2.PNG", [[20]])
    save_picture(tmp_path / "dog" / "1.png", [[30]])
    save_picture(tmp_path / "loose.png", [[40]])
    save_picture(tmp_path / ".thumbnails" / "1.png", [[50]])
    (tmp_path / "dog" / "notes.txt").write_text("not a picture")
    dataset = load_folder(tmp_path, size=1, test_fraction=0)
    assert dataset.classes == (".", "cat", "dog")
    assert np.rint(dataset.train_images.ravel() * 255).tolist() == [10, 20, 30, 40]
    assert dataset.train_labels.tolist() == [1, 1, 2, 0]
    assert dataset.test_images.shape == (0, 1, 1, 1)


def test_both_parts_hold_every_class(tmp_path):
    for name in ("cat", "dog"):
        for i in range(20):
            save_picture(tmp_path / name / f"{i}.png", [[0]])
    dataset = load_folder(tmp_path, size=1, test_fraction=0.4)
    for labels, count in ((dataset.train_labels, 24), (dataset.test_labels, 16)):
        # Hypergeometric: a fair split leaves this range 3 times in 1,000, and the names never change.
        assert len(labels) == count and np.abs(labels.mean() - 0.5) <= 0.3


def test_a_wide_picture_is_cropped_around_its_centre(tmp_path):
    pixels = np.zeros((4, 12), np.uint8)
    pixels[:, 4:8] = np.arange(16).reshape(4, 4) * 16
    save_picture(tmp_path / "wide.png", pixels)
    save_picture(tmp_path / "tall.png", pixels.T)
    tall, wide = load_folder(tmp_path, size=4, test_fraction=0).train_images[..., 0]
    assert np.array_equal(wide * 255, pixels[:, 4:8]) and np.array_equal(tall, wide.T)


@given(st.integers(0, 255), st.integers(1, 40), st.integers(1, 40))
def test_a_uniform_picture_stays_uniform_at_any_size(shade, height, width):
    with tempfile.TemporaryDirectory() as folder:
        save_picture(Path(folder, "plain.png"), np.full((height, width), shade))
        image = load_folder(folder, size=(5, 7), test_fraction=0).train_images
    assert image.shape == (1, 5, 7, 1) and np.array_equal(np.unique(image * 255), [shade])


def test_transparent_parts_are_white(tmp_path):
    save_picture(tmp_path / "a.png", [[[200, 100, 0, 0], [200, 100, 0, 255]]])
    image = load_folder(tmp_path, size=(1, 2), channels=3, test_fraction=0).train_images[0]
    assert np.rint(image * 255).tolist() == [[[255, 255, 255], [200, 100, 0]]]


def test_pictures_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was held upside down
    save_picture(tmp_path / "a.png", [[0, 50], [100, 150]], exif=exif)
    image = load_folder(tmp_path, size=2, test_fraction=0).train_images[0, :, :, 0]
    assert np.rint(image * 255).tolist() == [[150, 100], [50, 0]]


def test_load_takes_a_folder(tmp_path):
    for i in range(9):
        save_picture(tmp_path / f"{i}.png", np.full((3, 3), i))
    with pytest.raises(DataError, match="expected at least 10 pictures, got 9: add more"):
        load(tmp_path)
    save_picture(tmp_path / "9.png", np.full((3, 3), 9))
    dataset = load(tmp_path)
    assert dataset.train_images.shape == (8, 28, 28, 1) and dataset.test_images.shape == (2, 28, 28, 1)
    assert dataset.sha256() == load(str(tmp_path)).sha256()


def test_all_pictures_that_can_not_be_read_are_listed(tmp_path):
    save_picture(tmp_path / "good.png", [[1, 2], [3, 4]])
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    (tmp_path / "text.jpg").write_text("not a picture")
    Image.fromarray(np.array([[1000]], np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError) as caught:
        load_folder(tmp_path)
    message = str(caught.value)
    assert "3 of 4 pictures can't be read" in message and "repair or remove" in message
    for name in ("broken.png: ", "text.jpg: cannot identify", "deep.png: expected 8 bits per channel, got more"):
        assert name in message
    assert "good.png" not in message


def test_errors(tmp_path):
    with pytest.raises(NotADirectoryError, match=r"load_folder: expected a folder of pictures, got .*nowhere"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected pictures \(\.bmp, .*\), got none: choose another folder"):
        load_folder(tmp_path)
    save_picture(tmp_path / "a.png", [[1]])
    with pytest.raises(ValueError, match=r"expected channels to be 1 \(grey\) or 3 \(colour\), got 4"):
        load_folder(tmp_path, channels=4)
    with pytest.raises(ValueError, match="expected test_fraction to be a number of at least 0 and below 1, got 1"):
        load_folder(tmp_path, test_fraction=1)
    with pytest.raises(
        ValueError,
        match=r"expected size to be a whole number of at least 1, or a pair of them \(height, width\), got \(1, 2, 3\)",
    ):
        load_folder(tmp_path, size=(1, 2, 3))
    with pytest.raises(ValueError, match=r"expected size to be a whole number of at least 1, .* got 0"):
        load_folder(tmp_path, size=0)
