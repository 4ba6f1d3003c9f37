"""`python -m tinygen data`: which data sets there are, and what is in one."""

from typing import Annotated

import tyro

from tinygen.io.table import columns
from tinygen.runs.cli import command


@command
def data(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = "", *, quiet: bool = False
) -> None:
    """List the data sets, or load one and describe it; MNIST is downloaded if it is not on this machine yet.

    Args:
        name: name of a data set in the list, or a folder of pictures.
        quiet: hide the progress bar.
    """
    from tinygen.data import list_datasets, load

    if name:
        found = load(name, quiet=quiet)
        print(f"{found}\nsource:  {found.source}\nlicence: {found.licence}\nsha-256: {found.sha256()}")
        return
    rows = [["name", "train", "test", "image", "on this machine", "licence", "source"]]
    for entry in list_datasets():
        here = "yes" if entry.present else "no"
        cells = entry.name, entry.train, entry.test, entry.shape, here, entry.licence, entry.source
        rows.append([str(cell) for cell in cells])
    print(columns(rows))
