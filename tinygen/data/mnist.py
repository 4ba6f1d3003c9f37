"""MNIST by name: found on this machine or downloaded once, and always checked against its pinned hashes.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"; commonly distributed under
CC BY-SA 3.0. Looked up in $TINYGEN_DATA/mnist, $TINYGEN_DATA, then the user's cache, each file as NAME or NAME.gz.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tinygen.data.dataset import DataError, Dataset
from tinygen.data.idx import read_idx
from tinygen.io.output import warn

SOURCE = "Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits"
LICENCE = "CC BY-SA 3.0"
CHUNK = 2**16
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {  # name: shape, SHA-256 of the decompressed file (mirrors may compress differently)
    "train-images-idx3-ubyte": ((60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": ((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": ((10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": ((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def load_mnist(*, download: bool = True, quiet: bool = False) -> Dataset:
    """The 60,000 + 10,000 digits, (N, 28, 28, 1), grey levels divided by 255.

    What is missing on this machine is downloaded to the user's cache (11 MB), unless `download` is False.
    Raises DataError if a file has not the pinned content, FileNotFoundError or ConnectionError if it can't be had.
    """
    pixels, labels, test_pixels, test_labels = (_read(name, download=download, quiet=quiet) for name in FILES)
    return Dataset(
        name="mnist",
        train_images=_images(pixels),
        train_labels=labels.astype(np.int64),
        test_images=_images(test_pixels),
        test_labels=test_labels.astype(np.int64),
        classes=tuple("0123456789"),
        source=SOURCE,
        licence=LICENCE,
    )


def mnist_is_present() -> bool:
    """Whether all four files are on this machine (what they hold is checked when they are loaded)."""
    return all(_find(name) for name in FILES)


def cache_folder() -> Path:
    """Where downloads are kept: the operating system's folder for a user's caches."""
    import pooch  # here, since it costs more time to import than the digits take to load

    return pooch.os_cache("tinygen") / "mnist"


def _images(pixels):
    return np.divide(pixels[..., None], np.float32(255), dtype=np.float32)  # (N, 28, 28, 1)


def _read(name, *, download, quiet):
    shape, sha256 = FILES[name]
    path = _find(name)
    if path is None:
        if not download:
            places = ", ".join(str(place) for place in _places())
            raise FileNotFoundError(f"{name}[.gz] is not in {places}: put it there, or load with download=True")
        path = _download(name, quiet=quiet)
    return read_idx(path, shape=shape, sha256=sha256)


def _places() -> Iterator[Path]:
    if folder := os.environ.get("TINYGEN_DATA"):
        yield Path(folder, "mnist")
        yield Path(folder)
    yield cache_folder()


def _find(name) -> Path | None:
    candidates = (place / f"{name}{suffix}" for place in _places() for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _download(name, *, quiet) -> Path:
    """Get one file from the first mirror that has the right content, and return where it now is."""
    shape, sha256 = FILES[name]
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    target, failures = folder / f"{name}.gz", []
    for mirror in MIRRORS:
        # In the same folder, so that the last step is a rename: whoever looks finds a whole file or none.
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=f"{name}-", suffix=".part.gz")
        os.close(handle)
        try:
            _fetch(f"{mirror}{name}.gz", temporary, quiet=quiet)
            read_idx(temporary, shape=shape, sha256=sha256)
            os.replace(temporary, target)
            return target
        except (OSError, DataError) as error:
            failures.append(f"{mirror}: {error}")
        finally:
            Path(temporary).unlink(missing_ok=True)
    raise ConnectionError(
        f"{name}.gz could not be downloaded:\n  " + "\n  ".join(failures) + "\n"
        "Without a network, put the four MNIST files into a folder and set TINYGEN_DATA to it."
    )


def _fetch(url, path, *, quiet):
    import pooch
    from tqdm import tqdm

    if quiet:
        pooch.HTTPDownloader(chunk_size=CHUNK)(url, path, None)
    else:
        warn(f"downloading {url}")
        # pooch puts in the true total when it knows it; until then it wants any that is not zero.
        rarely = 0.1 if sys.stderr.isatty() else 10.0  # seconds between updates: seldom in a log
        with tqdm(desc=url.rpartition("/")[2], total=1, unit="B", unit_scale=True, mininterval=rarely) as bar:
            pooch.HTTPDownloader(chunk_size=CHUNK, progressbar=bar)(url, path, None)
    with open(path, "r+b") as file:
        os.fsync(file.fileno())
