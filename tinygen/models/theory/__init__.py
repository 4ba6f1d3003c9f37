"""Models whose solution is known in closed form: Wiener filter, Gaussian mixtures, games.

Read pca, wiener and mixture, which `tinygen.models` exports, then games.
"""
