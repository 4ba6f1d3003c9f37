"""The tour: trains four families of models on real digits and shows what each of them can do. Start here.

The 8x8 digits come with the package, so nothing is downloaded. You will see progress; a table of the families, each
with its figure and what to hold that against; a second one of what they can do, where a classifier of real
digits, looks at a thousand samples of each; and the address of a page with the pictures, `index.html` in the folder of
the run. Each file in `tour_stops` is one stop: it trains a model, its loop in sight, and says what came out.
"""

from pathlib import Path
from typing import NamedTuple

from tour_stops import autoencoder, diffusion, gan, vae
from tour_stops.stop import Stop, Trip

from tinygen import plot
from tinygen.data import load
from tinygen.evaluate.scoring import Scores, score_samples
from tinygen.io.table import columns
from tinygen.runs import Page, Panel, Section, Table, open_run
from tinygen.runs.cli import Seed, before_work, command, start

SURE, MOST = (
    0.8,
    0.8,
)  # the classifier is sure of a sample from this probability on, and should be of this share of them


class Budget(NamedTuple):
    """How many steps the stops train, and how many samples of each the classifier scores."""

    autoencoder: int
    vae: int
    gan: int
    diffusion: int
    samples: int = 1000


BUDGETS = {
    "digits": Budget(autoencoder=1500, vae=4500, gan=3000, diffusion=2000),
    "mnist": Budget(autoencoder=1400, vae=6000, gan=5000, diffusion=5000),
    "quick": Budget(5, 5, 5, 5, samples=36),
}


@command
def main(
    *,
    data: str = "digits",
    seed: Seed = 0,
    out: Path = Path("runs/tour"),
    overwrite: bool = False,
    quick: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train every model, print the tables, write the page; returns the figures.

    Args:
        data: "digits" (8x8, inside the package), "mnist" (28x28), or a folder of your own square pictures.
        seed: of everything random but the classifier.
        out: the folder for the page and its pictures.
        overwrite: start over: delete the run in that folder.
        quick: train for seconds only: to see that all runs, not what it can do; the samples are not evaluated.
        quiet: print nothing.
    """
    budget = BUDGETS["quick" if quick else data if data in BUDGETS else "mnist"]
    with before_work():
        digits = load(data, quiet=quiet)
        height, width, _ = digits.image_shape
        if height != width or height % 4:
            expected = "square images with sides divisible by 4"
            raise ValueError(f"expected {expected}, got {height} x {width}: choose other data with --data")
        config, about = {"seed": seed, **budget._asdict()}, dict(data={digits.name: digits.sha256()})
        run = open_run(out, config, **about, overwrite=overwrite, quiet=quiet)
    if not quiet:
        print(digits)
    page = Page(run)
    trip = Trip(digits, run, page, seed, budget.samples, quiet)
    stops = [
        autoencoder.visit(trip, budget.autoencoder),
        vae.visit(trip, budget.vae),
        gan.visit(trip, budget.gan),
        diffusion.visit(trip, budget.diffusion),
    ]
    scores = {
        stop.family: score_samples(stop.samples, digits, classifiers=int(not quick), confidence=SURE, quiet=quiet)
        for stop in stops
        if stop.samples is not None
    }
    families, abilities = families_table(stops), abilities_table(stops, scores)
    figures = {f"{stop.family}: {stop.figure}": stop.value for stop in stops}
    for family, opinion in scores.items():
        figures |= {f"{family}: {name}": opinion.figures[name] for name in ("sure", "rarest") if opinion.figures}
    run.finish(figures)
    if not quiet:
        print(printed(families), printed(abilities), sep="\n\n")
    page.write(
        title="A tour of tinygen",
        intro=f"Four families of models, built from scratch and trained on {len(digits.train_images):,} images of the "
        f"data set “{digits.name}”, and shown beside test images that they never saw.",
        sections=[
            Section("Side by side", SIDE_BY_SIDE, panels=samples_of(trip, stops, scores)),
            Section("Four families", FAMILIES, table=families),
            Section("What each can do", ABILITIES, table=abilities),
            *(section for stop in stops for section in stop.sections),
            Section("How they learnt", LEARNT, panels=[stop.loss for stop in stops], min_width=300),
        ],
    )
    return figures


# ---- the tables ----------------------------------------------------------------------------------------------------


def families_table(stops: list[Stop]) -> Table:
    """Each family with its figure, and what to hold that against."""
    head = "family", "parameters", "seconds", "figure", "value", "reference"
    rows = [(s.family, f"{s.parameters:,}", f"{s.seconds:.0f}", s.figure, f"{s.value:.4g}", s.reference) for s in stops]
    return Table(head, rows)


def abilities_table(stops: list[Stop], scores: dict[str, Scores]) -> Table:
    """What each family can do: how the classifier scores its samples, and whether it knows densities and codes."""
    head = "family", "samples", "clear", "rarest class", "density", "encode"
    rows = []
    for stop in stops:
        found = scores[stop.family].figures if stop.family in scores else {}
        share, rarest = (percent(found[name]) if found else "" for name in ("sure", "rarest"))
        rows.append((stop.family, verdict(stop, found), share, rarest, stop.density, stop.encode))
    real = next((opinion.figures for opinion in scores.values() if opinion.figures), None)
    if real:
        rows.append(("(test digits)", "", percent(real["test_sure"]), "", "", ""))
    return Table(head, rows)


def verdict(stop: Stop, found: dict[str, float]) -> str:
    """Whether it can sample, by the classifier."""
    if stop.samples is None:
        return "no"
    if not found:
        return "yes, not evaluated"
    if found["rarest"] == 0:
        return "not all classes"
    return "yes" if found["sure"] >= MOST else "too few are clear"


def percent(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"  # a space that is no place for a new line


def printed(table: Table) -> str:
    """A table as text."""
    return columns([table.head, *table.rows], ruled=True)


# ---- the page ------------------------------------------------------------------------------------------------------


def samples_of(trip: Trip, stops: list[Stop], scores: dict[str, Scores]) -> list[Panel]:
    """Thirty test digits, and as many samples of each family that can draw, as pictures to stand side by side."""
    trip.page.save("samples_real.png", plot.image_grid, trip.digits.test_images[:30], columns=5)
    beside = [Panel("samples_real.png", "Real test digits", "real")]
    for stop in stops:
        if stop.samples is not None:
            name, found = f"samples_{stop.family}.png", scores[stop.family].figures
            trip.page.save(name, plot.image_grid, stop.samples[:30], columns=5)
            caption = stop.family + (f", {100 * found['sure']:.0f} % clear" if found else "")
            beside.append(Panel(name, f"Samples of the {stop.family}", caption))
    return beside


FAMILIES = """Each with a figure of its own, and what to hold that against."""

ABILITIES = f"""To sample, to say how probable an image is, to say what it is made of: each family can do some of it. A
classifier that was trained on the same digits looks at samples of each. One is clear to it if its
class has a probability of {SURE} or more; {100 * MOST:.0f} % should be, and every class should be there. An autoencoder
has images for codes, but nobody knows which codes are likely."""

SIDE_BY_SIDE = "Digits that somebody wrote, and digits that nobody did: the first ones drawn, not the best."

LEARNT = """Each family minimises something else, so the curves can't be compared with each other; each can be compared
with its own test images, and with its dotted line."""


if __name__ == "__main__":
    start(main)
