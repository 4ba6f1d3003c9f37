"""`python -m tinygen evaluate`: how good is the classifier that evaluates samples?"""

from typing import Annotated

import numpy as np
import tyro

from tinygen.runs.cli import Seed, before_work, command


@command
def evaluate(
    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = "mnist",
    *,
    seed: Seed = 0,
    train: bool = False,
    quiet: bool = False,
) -> None:
    """Print the test accuracy of the classifier that evaluates samples of a data set; it is trained once, then kept.

    Args:
        name: name of a data set that `data` lists, or a folder of pictures with one subfolder per class.
        seed: seed of the classifier; the first classifier of an evaluation has seed 0.
        train: train the classifier again, even if it is kept.
        quiet: hide the progress bar.
    """
    from tinygen.data import load
    from tinygen.evaluate.classifier import load_classifier

    found = load(name, quiet=quiet)
    with before_work():
        network = load_classifier(found, seed=seed, quiet=quiet, retrain=train)
    predicted = network.probabilities(network.features(found.test_images)).argmax(axis=1)
    accuracy, weights = np.mean(predicted == found.test_labels), sum(p.size for p in network.parameters())
    print(f"{found}\nclassifier {seed}, {weights:,} parameters: {accuracy:.2%} of the test images classified correctly")
