"""Files that are replaced whole, checkpoints, output that can't end a program, progress bars, tables, HTML.

Reading order: files (replace a file in one step), checkpoint (named arrays in one file), output (printing), table,
html (what objects show in a notebook), notebook (its progress bar), progress.
"""
