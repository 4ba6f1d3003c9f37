"""`python -m tinygen data`: which data sets there are, and what is in one."""

from typing import Annotated

import tyro

from tinygen.io.output import say
from tinygen.io.table import columns, paragraphs
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
        for line in (str(found), f"source: {found.source}", f"licence: {found.licence}", f"SHA-256: {found.sha256()}"):
            say(paragraphs(line))
        return
    rows, sources = [["name", "train", "test", "image", "licence", "on this machine"]], []
    for entry in list_datasets():
        here = "yes" if entry.present else "no"
        rows.append([str(cell) for cell in (entry.name, entry.train, entry.test, entry.shape, entry.licence, here)])
        sources.append(f"{entry.name}: {entry.source}")
    say("\n\n".join([columns(rows, ruled=True), *map(paragraphs, sources)]))
