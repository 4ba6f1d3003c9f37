"""The commands of `python -m tinygen`: one file and one function per command, whose arguments are the options."""

from tinygen.commands.bench import bench
from tinygen.commands.check import check
from tinygen.commands.data import data
from tinygen.commands.evaluate import evaluate
from tinygen.commands.sample import sample
from tinygen.commands.summary import summary
from tinygen.commands.warm import warm

COMMANDS = {each.__name__: each for each in (check, data, summary, sample, evaluate, bench, warm)}
