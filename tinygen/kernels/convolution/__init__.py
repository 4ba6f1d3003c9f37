"""The fast ways through a convolution, one file each; `conv.py`, one floor up, says which one is taken."""
