"""The build step that setup.cfg can't describe: a wheel contains the examples and the pages, without their pictures."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


class WithExamplesAndPages(build_py):
    """Copies both into the package that is built. An editable install needs no copy: it has the checkout."""

    def run(self):
        super().run()
        if not self.editable_mode:
            for source, target in self.copies():
                self.mkpath(str(target.parent))
                self.copy_file(str(source), str(target))

    def copies(self):
        """Pairs of a file in the checkout and its place in the build."""
        target = Path(self.build_lib, "tinygen")
        examples, pages = ROOT / "examples", sorted((ROOT / "docs").glob("*.md"))
        for path in (*sorted(examples.rglob("*.py")), examples / "README.md", *pages):
            yield path, target / path.relative_to(ROOT)

    def get_outputs(self, include_bytecode=True):
        copied = [] if self.editable_mode else [str(target) for _, target in self.copies()]
        return super().get_outputs(include_bytecode) + copied


setup(cmdclass={"build_py": WithExamplesAndPages})
