"""`python -m tinygen COMMAND`: everything else is imported where Ctrl-C already ends quietly."""

from tinygen.cli import one_line

if __name__ == "__main__":
    with one_line("tinygen"):
        from tinygen.commands import main

        main()
