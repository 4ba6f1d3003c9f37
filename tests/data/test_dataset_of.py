"""A data set from your own arrays: every image is in one part, with its own label, scaled to [0, 1]."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinygen.data import Dataset


@given(st.integers(2, 40), st.floats(0, 0.95), st.booleans(), st.sampled_from([None, 1, 3]))
def test_every_image_is_in_one_part_with_its_label(n, fraction, strings, channels):
    labels = np.arange(n) % 3 + 5
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None], (n, 2, 3))
    images = images if channels is None else np.repeat(images[..., None], channels, axis=3)
    names = [f"class {label}" for label in labels] if strings else labels
    made = Dataset.of(images, names, test_fraction=fraction)
    assert made.image_shape == (2, 3, channels or 1)
    assert len(made.test_images) == (min(max(round(fraction * n), 1), n - 1) if fraction else 0)
    seen = []
    for pixels, indices in ((made.train_images, made.train_labels), (made.test_images, made.test_labels)):
        numbers = np.rint(pixels[:, 0, 0, 0] * 255).astype(int)
        np.testing.assert_allclose(pixels, np.broadcast_to(numbers[:, None, None, None] / 255, pixels.shape), rtol=1e-6)
        assert [made.classes[i] for i in indices] == [str(np.asarray(names)[k]) for k in numbers]
        seen += numbers.tolist()
    assert sorted(seen) == list(range(n))


def test_test_images_are_spread_evenly_over_sorted_data():
    made = Dataset.of(np.zeros((100, 2, 2), bool), np.repeat(np.arange(10), 10))
    assert np.bincount(made.test_labels).tolist() == [2] * 10 and np.bincount(made.train_labels).tolist() == [8] * 10


def test_floats_stay_and_no_labels_are_one_class():
    images = np.random.default_rng(0).random((5, 4, 4, 1))
    made = Dataset.of(images, test_fraction=0, name="mine")
    np.testing.assert_array_equal(made.train_images, images.astype(np.float32))
    assert made.classes == (".",) and made.name == "mine" and len(made.test_images) == 0
    images[:] = 0  # the data set has its own copy
    assert made.train_images.any()


@pytest.mark.parametrize(
    "images, labels, says",
    [
        (np.zeros((3, 4)), None, r"images to be \(N, H, W\) or"),
        (np.zeros((3, 2, 2), np.int64), None, r"got int64 \(3, 2, 2\)"),
        (np.zeros((3, 2, 2), np.uint16), None, r"expected 8 bits, got uint16"),
        (np.full((3, 2, 2), 255.0), None, r"divide by 255"),
        (np.zeros((3, 2, 2)), [1, 2], r"expected labels \(3,\), one per image, got \(2,\)"),
        (np.zeros((1, 2, 2)), None, r"at least two images, got 1: write test_fraction=0"),
    ],
)
def test_other_arrays_are_refused(images, labels, says):
    with pytest.raises(ValueError, match=says):
        Dataset.of(images, labels)
