"""Convolutions: `choice` says which algorithm serves, each of the other files is one of them."""
