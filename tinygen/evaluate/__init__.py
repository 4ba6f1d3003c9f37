"""How good is a model: metrics, a classifier of the images, scores of samples."""
