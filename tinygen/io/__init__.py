"""Files that are written whole, printing that cannot fail, progress bars, tables of text."""
