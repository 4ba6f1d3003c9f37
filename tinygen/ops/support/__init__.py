"""What several ops share: the geometry of windows, broadcasting, the operators of a Tensor."""
