"""MNIST: found on this machine or downloaded once, and always compared with its published hashes.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits"; commonly distributed under
CC BY-SA 3.0. The files, NAME or NAME.gz, are looked for in $TINYGEN_DATA/mnist, $TINYGEN_DATA and the user's cache.
"""

import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.data.dataset import DataError, Dataset
from tinygen.data.idx import parse_idx_gz, read_idx
from tinygen.io import files
from tinygen.io.output import warn

SOURCE = "Y. LeCun, C. Cortes and C. J. C. Burges, The MNIST database of handwritten digits"
LICENCE = "CC BY-SA 3.0"
CHUNK = 2**16  # bytes
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
FILES = {  # name: shape, SHA-256 of the decompressed file, because mirrors may compress differently
    "train-images-idx3-ubyte": ((60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": ((60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": ((10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": ((10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}


def load_mnist(*, download: bool = True, quiet: bool = False) -> Dataset:
    """The 60,000 training and 10,000 test digits, (N, 28, 28, 1), with grey levels divided by 255.

    Missing files are downloaded to the user's cache (11 MB), unless `download` is False; `quiet` hides the progress.
    Raises DataError for a file with another content, FileNotFoundError for a missing one without `download`,
    ConnectionError if a download fails, and NotADirectoryError if TINYGEN_DATA names no folder.
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
    """Whether all four files are on this machine; their content is checked when they are loaded."""
    return all(_find(name) for name in FILES)


def data_folder() -> Path | None:
    """The folder that TINYGEN_DATA names; None without this variable. Raises NotADirectoryError for another name."""
    name = os.environ.get("TINYGEN_DATA")
    if not name:
        return None
    if not Path(name).is_dir():
        hint = "create it, name another one, or unset the variable"
        raise NotADirectoryError(f"TINYGEN_DATA: expected a folder, got {files.printable(name)}: {hint}")
    return Path(name)


def cache_folder() -> Path:
    """The folder for downloads, inside the operating system's cache folder of the user."""
    import pooch  # here, because importing it takes longer than loading the digits

    return pooch.os_cache("tinygen") / "mnist"


def _images(pixels):
    return np.divide(pixels[..., None], np.float32(255), dtype=np.float32)  # (N, 28, 28, 1)


def _read(name, *, download, quiet):
    shape, sha256 = FILES[name]
    path = _find(name)
    if path is None:
        if not download:
            places = ", ".join(str(place) for place in _places())
            raise FileNotFoundError(f"{name}[.gz] is in none of {places}: copy it there, or load with download=True")
        path = _download(name, quiet=quiet)
    return read_idx(path, shape=shape, sha256=sha256)


def _places() -> Iterator[Path]:
    if folder := data_folder():
        yield folder / "mnist"
        yield folder
    yield cache_folder()


def _find(name) -> Path | None:
    candidates = (place / f"{name}{suffix}" for place in _places() for suffix in ("", ".gz"))
    return next((path for path in candidates if path.is_file()), None)


def _download(name, *, quiet) -> Path:
    """Download one file to the cache from the first mirror with the right content; returns its path."""
    shape, sha256 = FILES[name]
    target, failures = cache_folder() / f"{name}.gz", []
    for mirror in MIRRORS:
        try:
            content = _fetch(f"{mirror}{name}.gz", quiet=quiet)
            parse_idx_gz(f"{name}.gz", content, shape=shape, sha256=sha256)
        except (OSError, DataError) as error:
            failures.append(f"{mirror}: {_reason(error)}")
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        files.replace(target, content)
        return target
    hint = "check the network, or copy the four MNIST files to a folder and set TINYGEN_DATA to it"
    raise ConnectionError(f"{name}.gz could not be downloaded ({'; '.join(failures)}): {hint}")


def _reason(error: Exception) -> str:
    """Why a download failed, in a few words; the texts of its library are about its own objects."""
    import requests  # pooch has loaded it

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return f"no connection ({type(error).__name__})"
    return str(error)


def _fetch(url, *, quiet) -> bytes:
    import pooch
    from tqdm import tqdm

    content = io.BytesIO()
    if quiet:
        pooch.HTTPDownloader(chunk_size=CHUNK)(url, content, None)
    else:
        warn(f"downloading {url}")
        interval = 0.1 if sys.stderr.isatty() else 10.0  # seconds between updates; rarely in a log file
        # pooch sets `total` once it knows the size; until then it has to be any number but 0.
        shown: dict[str, Any] = dict(unit="B", unit_scale=True, delay=0.01)  # nothing before the first bytes
        with tqdm(desc=url.rpartition("/")[2], total=1, mininterval=interval, **shown) as bar:
            downloader = pooch.HTTPDownloader(chunk_size=CHUNK, progressbar=bar)  # pyright: ignore[reportArgumentType] its hint is too narrow
            downloader(url, content, None)
    return content.getvalue()
