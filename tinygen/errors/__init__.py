"""What a caller is told: checks of arguments, calls that do not fit a signature, names that other libraries use."""
