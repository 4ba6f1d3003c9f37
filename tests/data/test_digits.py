"""The embedded digits equal the published ones bit for bit; and the checks of every data set."""

import hashlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.data import DataError, Dataset, digits, list_datasets, load, load_digits

CSV_SHA256 = "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"  # of the file in scikit-learn


def test_the_published_table_can_be_rebuilt():
    data = load_digits()
    images = np.concatenate([data.train_images, data.test_images])
    labels = np.concatenate([data.train_labels, data.test_labels])
    rows = np.column_stack([(images * 16).reshape(1797, 64), labels]).astype(int).tolist()
    csv = "".join(",".join(map(str, row)) + "\n" for row in rows)
    assert hashlib.sha256(csv.encode()).hexdigest() == CSV_SHA256


def test_shapes_types_and_range():
    data = load("digits")
    assert data.train_images.shape == (1437, 8, 8, 1) and data.test_images.shape == (360, 8, 8, 1)
    assert data.train_images.dtype == np.float32 and data.train_labels.dtype == np.int64
    assert data.train_images.min() == 0 and data.train_images.max() == 1
    assert repr(data) == "Dataset('digits': 1437 training + 360 test images (8, 8, 1), 10 classes)"


def test_a_damaged_installation_is_an_error(monkeypatch, tmp_path):
    with np.load(digits.FILE, allow_pickle=False) as arrays:
        images, labels = arrays["images"].copy(), arrays["labels"]
    images[3, 4, 5] ^= 1
    np.savez(tmp_path / "digits.npz", images=images, labels=labels)
    monkeypatch.setattr(digits, "FILE", tmp_path / "digits.npz")
    with pytest.raises(DataError, match="the file is damaged, reinstall tinygen"):
        load_digits()


@given(st.sampled_from(["train_images", "train_labels", "test_images", "test_labels"]), st.integers(0, 359))
def test_the_hash_depends_on_every_entry_of_every_array(name, row):
    data = load_digits()
    changed = getattr(data, name).copy()
    entries = changed.reshape(len(changed), -1)
    entries[row, -1] = 1 - entries[row, -1] / 2 if changed.dtype == np.float32 else (entries[row, -1] + 1) % 10
    assert replace(data, **{name: changed}).sha256() != data.sha256()


def test_the_hash_depends_on_the_content_alone():
    data = load_digits()
    strided = np.repeat(data.train_images, 2, axis=2)[:, :, ::2]
    assert not strided.flags.c_contiguous
    assert replace(data, train_images=strided, name="renamed").sha256() == data.sha256() == load_digits().sha256()
    flipped = replace(data, test_images=data.test_images.reshape(360, 8, 8, 1)[:, ::-1])
    assert flipped.sha256() != data.sha256()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros((4, 8, 8, 1))}, r"expected train_images to be float32 .*got float64 \(4, 8, 8, 1\)"),
        ({"test_images": np.zeros((3, 8, 8), np.float32)}, r"expected test_images to be .*got float32 \(3, 8, 8\)"),
        (
            {"test_images": np.zeros((3, 9, 8, 1), np.float32)},
            r"test_images to be .*got float32 \(3, 9, 8, 1\)",
        ),
        ({"train_labels": np.zeros(3, int)}, r"expected train_labels to be int64 \(4,\).*got int64 \(3,\)"),
        ({"test_labels": np.zeros(3, np.uint8)}, r"expected test_labels to be int64 \(3,\).*got uint8 \(3,\)"),
        (
            {"train_images": np.full((4, 8, 8, 1), np.nan, np.float32)},
            r"train_images to be .*got nan.*remove NaN",
        ),
        ({"train_images": np.full((4, 8, 8, 1), 255, np.float32)}, r"in \[0, 1\], got 255.0\.\..*: divide by 255"),
        ({"test_images": np.full((3, 8, 8, 1), -0.1, np.float32)}, r"expected test_images to be in \[0, 1\]"),
        ({"test_labels": np.ones(3, np.int64)}, r"expected test_labels to be in 0\.\.0, .*, got 1\.\.1"),
        ({"train_labels": np.full(4, -1)}, r"expected train_labels to be in 0\.\.0, .*, got -1\.\.-1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, message):
    arrays = {
        "train_images": np.zeros((4, 8, 8, 1), np.float32),
        "train_labels": np.zeros(4, np.int64),
        "test_images": np.zeros((3, 8, 8, 1), np.float32),
        "test_labels": np.zeros(3, np.int64),
    }
    about = {"name": "mine", "classes": ("only",), "source": "here", "licence": "none"}
    Dataset(**arrays, **about)
    with pytest.raises(ValueError, match=message):
        Dataset(**arrays | changes, **about)


def test_the_catalogue():
    entries = {entry.name: entry for entry in list_datasets()}
    assert tuple(entries) == ("digits", "mnist")
    data, entry = load("digits"), entries["digits"]
    assert (len(data.train_images), len(data.test_images), data.image_shape) == (entry.train, entry.test, entry.shape)
    assert (data.source, data.licence, entry.present) == (entry.source, entry.licence, True)
    assert "CC BY 4.0" in entry.licence and "10.24432/C50P49" in entry.source and "Alpaydin" in entry.source


def test_an_unknown_name_is_an_error_with_the_known_ones():
    known = "expected digits, mnist or a folder of pictures"
    with pytest.raises(ValueError, match=rf"{known}, got 'mnits', which doesn't exist \(did you mean mnist\?\)$"):
        load("mnits")


def test_importing_the_data_imports_nothing_slow():
    late = ("PIL", "pooch", "requests", "matplotlib", "torch")
    code = f"import sys, tinygen.data; print([m for m in {late} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
