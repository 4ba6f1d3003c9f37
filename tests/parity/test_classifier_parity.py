"""The classifier of 28x28 images, written a second time in PyTorch without tinygen: features and scores agree."""

import numpy as np
import pytest

from tinygen.data import Batches, Dataset, load
from tinygen.evaluate import classifier as room
from tinygen.evaluate import metrics
from tinygen.evaluate.classifier import Classifier, train_classifier

torch = pytest.importorskip("torch", minversion="2", reason="PyTorch isn't installed: nothing to compare with")
torch.set_num_threads(1)

# -- the independent evaluator: arrays in, arrays out ------------------------------------------------------------------


class LeNet5(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = torch.nn.Conv2d(1, 6, 5), torch.nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = (torch.nn.Linear(n, m) for n, m in ((256, 120), (120, 84), (84, 10)))

    def features(self, x):
        x = torch.nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = torch.nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # rows of weights are in the order (H, W, C)
        return torch.relu(self.fc2(torch.relu(self.fc1(x))))


def evaluator(weights, batches, rates):
    """Features of images, by a LeNet-5 trained from these weights on these batches at these rates."""
    net = LeNet5()
    with torch.no_grad():
        for p, array in zip(net.parameters(), weights, strict=True):
            p.copy_(torch.from_numpy(array))
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    for (images, labels), rate in zip(batches, rates, strict=True):
        adam.param_groups[0]["lr"] = rate
        adam.zero_grad()
        logits = net.fc3(net.features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())))
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels)).backward()
        adam.step()
    return lambda images: net.features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).detach().numpy()


def fld(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(a.T))
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ np.cov(b.T) @ root), 0)).sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a.T)) + np.trace(np.cov(b.T)) - 2 * cross


# -- both, side by side ------------------------------------------------------------------------------------------------


def test_two_evaluators_agree(monkeypatch):
    """From the same weights and batches: features, and ratios of Fréchet distances, to far less than 1 %."""
    small = load("digits")
    large = [
        np.pad(x.repeat(3, axis=1).repeat(3, axis=2), [(0, 0), (2, 2), (2, 2), (0, 0)])
        for x in (small.train_images, small.test_images)
    ]
    data = Dataset(
        "large", large[0][:480], small.train_labels[:480], large[1], small.test_labels, small.classes, "", ""
    )
    monkeypatch.setattr(room, "EPOCHS", 3)
    monkeypatch.setattr(room, "STEPS", 1)
    classifier = train_classifier(data, seed=3, quiet=True)

    rng = np.random.default_rng(3)
    first = list(Classifier((28, 28, 1), 10, rng=rng).to_torch().values())
    batches = Batches((data.train_images, data.train_labels), 32, rng)
    taken = [batch for _ in range(3) for batch in batches]
    features = evaluator(first, taken, [2e-3] * 30 + [2e-4] * 15)

    sets = {"train": data.train_images, "test": data.test_images}
    sets["samples"] = np.clip(data.test_images[:200] + 0.3 * rng.standard_normal((200, 28, 28, 1)), 0, 1).astype(
        np.float32
    )
    ours, theirs = ({name: f(images) for name, images in sets.items()} for f in (classifier.features, features))
    for name in sets:
        assert np.abs(ours[name] - theirs[name]).max() <= 0.01 * theirs[name].std()
    accuracy = np.mean(classifier.probabilities(ours["test"]).argmax(axis=1) == data.test_labels)
    assert accuracy > 0.5  # it has learnt something, so the steps were not in vain
    mine = metrics.frechet_distance(ours["samples"], ours["test"]) / metrics.frechet_distance(
        ours["train"], ours["test"]
    )
    other = fld(theirs["samples"], theirs["test"]) / fld(theirs["train"], theirs["test"])
    assert mine == pytest.approx(other, rel=0.01)
