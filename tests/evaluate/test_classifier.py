"""The classifier: its network and its cache."""

import numpy as np
import pytest
from helpers.datasets import some

from tinygen.evaluate import classifier as module
from tinygen.evaluate.classifier import Classifier, load_classifier, train_classifier
from tinygen.io import checkpoint


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def no_training(short, monkeypatch):
    """A function after which every training fails the test."""

    def refuse(*_, **__):
        raise AssertionError("trained again")

    return lambda: monkeypatch.setattr(module, "train_classifier", refuse)


# -- the network -------------------------------------------------------------------------------------------------------


def test_for_mnist_it_is_lenet_5():
    classifier = Classifier((28, 28, 1), 10, rng=rng())
    sizes = [p.size for p in classifier.parameters()]
    layers = [a + b for a, b in zip(sizes[::2], sizes[1::2])]
    assert layers == [156, 2416, 30_840, 10_164, 850]
    shapes = [line for line in classifier.summary((28, 28, 1)).splitlines() if "Pool" in line]
    assert "(B, 12, 12, 6)" in shapes[0] and "(B, 4, 4, 16)" in shapes[1]
    for name, p in classifier.named_parameters():
        if name.endswith("bias"):
            assert not p.numpy().any()
        else:  # He: uniform with variance 2/fan_in
            fan_in = np.prod(p.shape[:-1])
            assert np.abs(p.numpy()).max() <= np.sqrt(6 / fan_in)
            assert p.numpy().var() == pytest.approx(2 / fan_in, rel=6 / np.sqrt(p.size))


@pytest.mark.parametrize("shape", [(8, 8, 1), (2, 3, 1), (15, 20, 3), (16, 16, 1), (17, 30, 3)])
def test_it_takes_images_of_any_size(shape):
    classifier, x = Classifier(shape, 4, rng=rng()), rng(1).random((7, *shape), dtype=np.float32)
    features = classifier.features(x)
    assert features.shape == (7, 84) and (features >= 0).all() and features.any()
    probabilities = classifier.probabilities(features)
    logits = classifier(x).numpy()
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-5)


def test_it_refuses_what_it_can_not_classify():
    with pytest.raises(ValueError, match=r"expected images of at least 2x2 pixels, got \(1, 8, 1\)"):
        Classifier((1, 8, 1), 10, rng=rng())
    one = some(classes=1)
    for make in (load_classifier, train_classifier):
        with pytest.raises(ValueError, match=r"got one class in some: sort the pictures into one subfolder per class"):
            make(one, quiet=True)


# -- the cache ---------------------------------------------------------------------------------------------------------


def same(a: Classifier, b: Classifier) -> bool:
    return all((a.state_dict()[name] == array).all() for name, array in b.state_dict().items())


def test_it_is_trained_once_for_each_data_set_and_seed(no_training):
    data = some()
    first, second = load_classifier(data, quiet=True), load_classifier(data, seed=1, quiet=True)
    assert not same(first, second) and same(first, train_classifier(data, quiet=True))
    other = load_classifier(some(50), quiet=True)
    no_training()
    assert same(load_classifier(data, quiet=True), first)
    assert same(load_classifier(data, seed=1, quiet=True), second)
    assert same(load_classifier(some(50), quiet=True), other)
    with pytest.raises(AssertionError, match="trained again"):
        load_classifier(some(40), quiet=True)
    with pytest.raises(AssertionError, match="trained again"):
        load_classifier(data, quiet=True, retrain=True)


def test_other_training_settings_give_another_classifier(no_training, monkeypatch):
    load_classifier(some(), quiet=True)
    no_training()
    monkeypatch.setattr(module, "TRAINING", [*module.TRAINING, "more"])
    with pytest.raises(AssertionError, match="trained again"):
        load_classifier(some(), quiet=True)


@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "facts", "network"])
def test_a_file_that_can_not_be_trusted_is_replaced(short, damage, no_training):
    """Also an intact checkpoint of other weights under this name: its facts show that it is another one."""
    classifier = load_classifier(some(), quiet=True)
    (path,) = short.iterdir()
    whole = path.read_bytes()
    arrays, facts = checkpoint.load(path)
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    elif damage == "foreign":
        path.write_bytes(b"not a classifier")
    elif damage == "facts":
        checkpoint.save(path, {name: 0 * array for name, array in arrays.items()}, facts | {"seed": 7})
    else:
        checkpoint.save(path, {"head.bias": arrays["head.bias"]}, facts)
    assert same(load_classifier(some(), quiet=True), classifier)
    assert path.read_bytes() == whole
    no_training()
    assert same(load_classifier(some(), quiet=True), classifier)


def test_a_cache_that_can_not_be_written_gives_a_warning(short, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(module, "classifiers_folder", lambda: tmp_path / "file" / "classifiers")
    assert same(load_classifier(some(), quiet=True), train_classifier(some(), quiet=True))
    assert "the next run will train again" in capsys.readouterr().err
