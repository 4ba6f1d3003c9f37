"""The tour: trains four families of models on real digits and shows what each of them can do. Start here.

The 8x8 digits come with the package, so nothing is downloaded. You will see progress bars; a table with one result per
family and its baseline; and a table of what each family can do, where a classifier of real digits scores a thousand
samples of each. Then open `index.html` in the folder of the run: pictures and films beside the code that made them, and
a plane of digits to explore. It takes about two minutes on two cores. Each file in `tour_families` trains one model,
with its loop in sight.
"""

from tinygen import plot  # before NumPy: Ctrl-C during the imports leaves no traceback

# isort: split
from pathlib import Path
from typing import NamedTuple

from tour_families import autoencoder, diffusion, gan, plane, poster, vae
from tour_families.family import Context, Family, check_folders, links, script

from tinygen.data import load
from tinygen.evaluate.scoring import Scores, score_samples
from tinygen.io.table import columns
from tinygen.runs import Link, Page, Panel, Section, Table, open_run, parts
from tinygen.runs.cli import Seed, before_work, command, start

CONFIDENCE = 0.8  # a sample is clear if the classifier gives its class at least this probability
MIN_CLEAR = 0.8  # share of clear samples that a family needs


class Budget(NamedTuple):
    """The number of training steps of each family, and of samples to score."""

    autoencoder: int
    vae: int
    plane: int
    gan: int
    diffusion: int
    samples: int = 1000


BUDGETS = {
    "digits": Budget(autoencoder=1500, vae=4500, plane=2500, gan=3000, diffusion=2000),
    "mnist": Budget(autoencoder=1400, vae=6000, plane=4000, gan=5000, diffusion=5000),
    "quick": Budget(5, 5, 5, 5, 5, samples=36),
}
SECONDS = {  # of each part, on two cores
    "digits": {"autoencoder": 18, "VAE": 8, "plane": 4, "GAN": 26, "diffusion": 39, "scores": 12},
    "mnist": {"autoencoder": 90, "VAE": 100, "plane": 30, "GAN": 150, "diffusion": 400, "scores": 120},
    "quick": dict.fromkeys(("autoencoder", "VAE", "plane", "GAN", "diffusion", "scores"), 1),
}
DURATION = {"digits": "two minutes", "mnist": "a quarter of an hour", "quick": "five seconds"}


@command
def main(
    *,
    data: str = "digits",
    seed: Seed = 0,
    out: Path = Path("runs/tour"),
    overwrite: bool = False,
    quick: bool = False,
    open: bool = False,
    quiet: bool = False,
) -> dict[str, float]:
    """Train every model, print the tables, write the page; returns the figures.

    Args:
        data: data set: "digits" (8x8, inside the package), "mnist" (28x28), or a folder of your own square pictures.
        seed: seed for all random numbers, except those of the classifier.
        out: folder for the page, its pictures and the models.
        overwrite: delete the run in that folder and start over.
        quick: train for seconds only, to see that everything runs; no sample is scored.
        open: show the page in the browser at the end.
        quiet: no output.
    """
    kind = "quick" if quick else data if data in BUDGETS else "mnist"
    budget = BUDGETS[kind]
    with before_work():
        digits = load(data, quiet=quiet)
        height, width, _ = digits.image_shape
        if height != width or height % 4:
            expected = "square images with sides divisible by 4"
            raise ValueError(f"expected {expected}, got {height} x {width}: choose other data with --data")
        config, about = {"seed": seed, **budget._asdict()}, dict(data={digits.name: digits.sha256()})
        check_folders(out, overwrite=overwrite)
        run = open_run(out, config, **about, overwrite=overwrite, quiet=quiet)
    page = Page(run)
    context = Context(digits, run, page, parts(SECONDS[kind]), seed, budget.samples, quiet)
    context.say(f"{digits}\nfive models, then the scores of their samples: about {DURATION[kind]} on two cores")
    first, second = autoencoder.run(context, budget.autoencoder), vae.run(context, budget.vae)
    explore = plane.run(context, budget.plane)
    families = [first, second, gan.run(context, budget.gan), diffusion.run(context, budget.diffusion)]
    options = dict(classifiers=int(not quick), confidence=CONFIDENCE, quiet=quiet)
    scores = {f.name: score_samples(f.samples, digits, **options) for f in families if f.samples is not None}
    figures = {f"{family.name}: {family.metric}": family.value for family in families}
    for name, score in scores.items():
        figures |= {f"{name}: {figure}": score.figures[figure] for figure in ("sure", "rarest") if score.figures}
    run.finish(figures)
    page.save("tour.png", poster.draw, digits, families)
    results, abilities = results_table(families), abilities_table(families, scores)
    if not quiet:
        print(as_text(results), as_text(abilities), sep="\n\n")
    page.write(
        title="A tour of tinygen",
        intro=f"Four families of models, built from scratch and trained on {len(digits.train_images):,} images of the "
        f"data set “{digits.name}”, compared with test images that training never used.",
        sections=[
            Section("Samples", SAMPLES, panels=sample_panels(context, families, scores)),
            explore,
            Section("Results", RESULTS, table=results),
            Section("What each family can do", ABILITIES, table=abilities),
            *(section for family in families for section in family.sections),
            Section("The losses", LOSSES, panels=[family.loss for family in families], min_width=300),
            Section("Where to go next", NEXT, commands=[script("tour.py", "--data mnist")], links=further()),
        ],
    )
    if open:
        page.open()
    return figures


# -- the tables --------------------------------------------------------------------------------------------------------


def results_table(families: list[Family]) -> Table:
    """Each family with one result and its baseline."""
    head = "family", "parameters", "seconds", "metric", "value", "baseline"
    rows = [(f.name, f"{f.parameters:,}", f"{f.seconds:.0f}", f.metric, f"{f.value:.4g}", f.baseline) for f in families]
    return Table(head, rows)


def abilities_table(families: list[Family], scores: dict[str, Scores]) -> Table:
    """What each family can do: its samples by the scores of the classifier, densities, and codes."""
    head = "family", "samples", "clear", "rarest class", "density", "encode"
    rows = []
    for family in families:
        found = scores[family.name].figures if family.name in scores else {}
        clear, rarest = (percent(found[name]) if found else "" for name in ("sure", "rarest"))
        rows.append((family.name, can_sample(family, found), clear, rarest, family.density, family.encode))
    real = next((score.figures for score in scores.values() if score.figures), None)
    if real:
        rows.append(("(test digits)", "", percent(real["test_sure"]), "", "", ""))
    return Table(head, rows)


def can_sample(family: Family, scores: dict[str, float]) -> str:
    """Whether a family can sample, by the scores of its samples."""
    if family.samples is None:
        return "no"
    if not scores:
        return "yes, not scored"
    if scores["rarest"] == 0:
        return "not all classes"
    return "yes" if scores["sure"] >= MIN_CLEAR else "too few are clear"


def percent(share: float) -> str:
    """A share as text."""
    return f"{100 * share:.1f}\u00a0%"  # with a space that never becomes a new line


def as_text(table: Table) -> str:
    """A table for the terminal."""
    return columns([table.head, *table.rows], ruled=True)


# -- the page ----------------------------------------------------------------------------------------------------------


def sample_panels(context: Context, families: list[Family], scores: dict[str, Scores]) -> list[Panel]:
    """Write pictures of thirty test digits and of thirty samples of each family; returns their panels."""
    context.page.save("samples_real.png", plot.image_grid, context.digits.test_images[:30], columns=5)
    panels = [Panel("samples_real.png", "Real test digits", "real")]
    for family in families:
        if family.samples is not None:
            name, found = f"samples_{family.name}.png", scores[family.name].figures
            context.page.save(name, plot.image_grid, family.samples[:30], columns=5)
            caption = family.name + (f", {100 * found['sure']:.0f} % clear" if found else "")
            panels.append(Panel(name, f"Samples of the {family.name}", caption))
    return panels


def further() -> list[Link]:
    """Links for the end of the page."""
    return links(
        an_engine_in_40_lines="examples/backprop/engine_in_40_lines.py",
        how_a_gradient_flows="docs/gradients.md",
        the_reading_order="docs/index.md",
        what_runs_keep="docs/runs.md",
    )


SAMPLES = "Real test digits, and the first thirty samples of each family, not the best ones."

RESULTS = "One result per family, with a baseline. The results of two families can't be compared with each other."

ABILITIES = f"""Can a family sample images, tell how probable an image is, and give it a code? For the samples, a
classifier of the same digits predicts the class of each. A sample is clear if its class has a probability of at least
{CONFIDENCE}. At least {100 * MIN_CLEAR:.0f} % should be clear, and every class should occur. An autoencoder decodes
every code, but it doesn't tell which codes are probable, so it can't sample."""

LOSSES = """Each family minimises another loss, so the curves of two families can't be compared. Compare each with its
test images, and with its dotted line."""

NEXT = """The same tour on 28x28 digits takes a quarter of an hour. Each model of this page is in a folder beside it,
with the arguments that built it."""


if __name__ == "__main__":
    start(main)
