"""Find the bug: ten defects that other projects shipped; each file starts with the defective function."""

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.tracks.bugs import adversarial, layers, likelihoods, losses, networks

EXERCISES: tuple[Exercise, ...] = (
    *likelihoods.EXERCISES,
    *losses.EXERCISES,
    *layers.EXERCISES,
    *networks.EXERCISES,
    *adversarial.EXERCISES,
)
