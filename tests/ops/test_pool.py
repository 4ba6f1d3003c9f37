"""Pooling over windows that end behind the image, and over the pixels of the image alone: by hand."""

import numpy as np

import tinygen as tg
from tinygen import nn

ROW = np.array([1.0, 2, 3, 4, 5]).reshape(1, 1, 5, 1)


def pooled(layer):
    return layer(ROW).numpy().ravel().tolist()


def test_the_zeros_of_the_padding_count_unless_they_are_left_out():
    form = dict(stride=(1, 3), padding=(0, 1))
    assert pooled(nn.AvgPool2d((1, 3), **form)) == [1, 4]  # (0 + 1 + 2)/3, (3 + 4 + 5)/3
    assert pooled(nn.AvgPool2d((1, 3), **form, count_include_pad=False)) == [1.5, 4]


def test_with_ceil_mode_no_pixel_is_left_out():
    assert pooled(nn.AvgPool2d((1, 2))) == [1.5, 3.5]
    assert pooled(nn.AvgPool2d((1, 2), ceil_mode=True)) == [1.5, 3.5, 5]  # what lies behind the padding never counts
    assert pooled(nn.MaxPool2d((1, 2), ceil_mode=True)) == [2, 4, 5]
    assert pooled(nn.MaxPool2d((1, 5), ceil_mode=True)) == [5]


def test_a_window_that_ends_behind_the_image_gives_its_gradient_to_the_first_of_the_largest():
    x = tg.Tensor(np.array([[7.0, -1, -1], [0, -1, -1], [-2, -3, -3]])[None, ..., None], requires_grad=True)
    y = tg.max_pool2d(x, kernel_size=2, ceil_mode=True)
    assert y.numpy().ravel().tolist() == [7, -1, -2, -3]
    assert tg.grad(y.sum(), x).numpy()[0, :, :, 0].tolist() == [[1, 0, 1], [0, 0, 0], [1, 0, 1]]


def test_layers_show_their_settings():
    assert nn.MaxPool2d(2, ceil_mode=True).settings() == "2, stride=2, ceil_mode=True"
    assert (
        nn.AvgPool2d(3, padding=1, count_include_pad=False).settings()
        == "3, stride=3, padding=1, count_include_pad=False"
    )
