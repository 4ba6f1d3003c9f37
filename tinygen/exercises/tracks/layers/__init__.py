"""Layers: convolutions, pooling, normalisation, dropout and upsampling."""

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.tracks.layers import convolution, convolution_gradients, dropout, normalisation, pooling

EXERCISES: tuple[Exercise, ...] = (
    convolution.CONV2D,
    convolution.CONV_TRANSPOSE2D,
    convolution_gradients.CONV2D_WEIGHT,
    convolution_gradients.CONV2D_RULES,
    pooling.MAX_POOL2D,
    pooling.UPSAMPLE_NEAREST,
    pooling.SUM_BLOCKS,
    normalisation.BATCH_NORM,
    dropout.DROPOUT,
)
