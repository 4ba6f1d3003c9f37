"""Models whose answer is known in closed form: Wiener filter, Gaussian mixtures, games."""
