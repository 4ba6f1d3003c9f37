"""Everything around a training loop: the run folder, the loop, checkpoints, the page, the command line."""
