"""Small data sets for tests."""

from tinygen.data import Dataset, load


def some(n: int = 60, classes: int = 10, name: str = "some") -> Dataset:
    """A small data set of embedded digits."""
    digits = load("digits")
    kept = digits.train_labels < classes
    images, labels = digits.train_images[kept], digits.train_labels[kept]
    names = digits.classes[:classes]
    return Dataset(name, images[:n], labels[:n], images[n : 2 * n], labels[n : 2 * n], names, "", "")
