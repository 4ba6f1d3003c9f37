"""The stops of the tour, one family of models each: a stop trains its model and brings home figures and pictures."""
