"""The documentation's pages, read once. The modules beside this file are imported by name."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="session")
def pages(repository):
    """Every page that a reader finds, README.md too, by its path from the repository."""
    from markdown_pages import Page

    files = [repository / "README.md", repository / "CONTRIBUTING.md"]
    files += sorted((repository / "docs").glob("*.md"))
    return {path.relative_to(repository).as_posix(): Page(path) for path in files}
