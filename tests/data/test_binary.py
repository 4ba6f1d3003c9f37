"""Binary pixels have the grey values as their means, and nothing else."""

import numpy as np
import pytest

from tinygen.data import Dataset, binarise, load_digits
from tinygen.data.binary import mention_noise


def test_pixels_are_one_with_the_probability_of_the_grey_value():
    grey = np.linspace(0, 1, 11, dtype=np.float32)
    drawn = binarise(np.repeat(grey[:, None], 20_000, axis=1), np.random.default_rng(0))
    assert drawn.dtype == np.float32 and set(np.unique(drawn)) == {0.0, 1.0}
    assert (np.abs(drawn.mean(axis=1) - grey) <= 4 * np.sqrt(grey * (1 - grey) / 20_000)).all()  # 0 and 1 are exact


def test_draws_depend_on_the_generator_only_and_change_no_image():
    images = load_digits().test_images
    before = images.copy()
    one, same, other = (binarise(images, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one.shape == images.shape and (one == same).all() and (one != other).any() and (images == before).all()
    with pytest.raises(TypeError, match="binarise"):
        binarise(images, 0)


def test_grey_pictures_are_mentioned_once_and_digits_are_not(capsys):
    photographs = Dataset.of(np.random.default_rng(0).random((20, 8, 8)), name="pics")
    mention_noise(photographs)
    said = capsys.readouterr().err
    assert said.startswith("pics: most pixels are grey, so the binary pixels drawn from them look like noise: ")
    assert said.count("\n") == 1
    mention_noise(photographs, quiet=True)
    mention_noise(load_digits())
    assert capsys.readouterr() == ("", "")
