"""The families of models in the tour: each file trains one model and returns its results and pictures."""
