"""The 1,797 handwritten digits that come with the package, so that everything runs offline.

"Optical Recognition of Handwritten Digits" by E. Alpaydin and C. Kaynak, 1998, UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49, licence CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/).
Changes: `digits.npz` holds only the test part of the repository, as 8-bit arrays in the original order.
"""

import hashlib
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError, Dataset

SOURCE = "E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI, doi 10.24432/C50P49"
LICENCE = "CC BY 4.0"
NUM_TRAIN, NUM_TEST = 1437, 360
SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"  # of the pixels and labels, as bytes
FILE = Path(__file__).with_name("digits.npz")


def load_digits() -> Dataset:
    """The 8×8 digits inside the package: 1,437 training images (1437, 8, 8, 1) and 360 test images.

    The grey levels 0 to 16 are divided by 16. Raises DataError if the installed file is damaged.
    """
    with np.load(FILE, allow_pickle=False) as arrays:
        pixels, labels = arrays["images"], arrays["labels"]  # (1797, 8, 8) and (1797,), uint8
    found = hashlib.sha256(pixels.tobytes() + labels.tobytes()).hexdigest()
    if found != SHA256:
        raise DataError(f"{FILE}: expected SHA-256 {SHA256}, got {found}: the file is damaged, reinstall tinygen")
    images = pixels[..., None].astype(np.float32) / 16  # (1797, 8, 8, 1)
    labels = labels.astype(np.int64)
    return Dataset(
        name="digits",
        train_images=images[:NUM_TRAIN],
        train_labels=labels[:NUM_TRAIN],
        test_images=images[NUM_TRAIN:],
        test_labels=labels[NUM_TRAIN:],
        classes=tuple("0123456789"),
        source=SOURCE,
        licence=LICENCE,
    )
