"""The exercises, one file per track, in the order in which to do them."""

from tinygen.exercises.exercise import Exercise
from tinygen.exercises.tracks import adversarial, autoencoders, backprop, bugs, layers, training, vaes

TRACKS: dict[str, tuple[Exercise, ...]] = {
    "backpropagation": backprop.EXERCISES,
    "layers": layers.EXERCISES,
    "training": training.EXERCISES,
    "autoencoders": autoencoders.EXERCISES,
    "VAEs": vaes.EXERCISES,
    "GANs and diffusion": adversarial.EXERCISES,
    "find the bug": bugs.EXERCISES,
}
EXERCISES: dict[str, Exercise] = {each.name: each for track in TRACKS.values() for each in track}
