"""Models whose solution is known in closed form: Wiener filter, Gaussian mixtures, games."""
