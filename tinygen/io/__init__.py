"""Files that are replaced whole, checkpoints, output that can't end a program, progress bars, tables of text.

Reading order: files (replace a file in one step), checkpoint (named arrays in one file), output (printing), table,
progress.
"""
