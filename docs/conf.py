"""How the documentation is built: `make docs`, with warnings as errors and without a network."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # this checkout, whether another is installed or none

from nas_edge.version import __version__  # noqa: E402


def notebook_list(folder: Path) -> str:
    """Return a Markdown list of the notebooks in a folder: a link, the title, the first words."""
    lines = []
    for path in sorted(folder.glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
        title, _, rest = (texts[0] if texts else path.stem).partition("\n")
        words = " ".join(rest.strip().partition("\n\n")[0].split())
        link = f"{{download}}`{path.name} <../notebooks/{path.name}>`"
        lines.append(f"- {link}: **{title.lstrip('# ')}**. {words}".rstrip())
    return "\n".join(lines) or "There are none in this copy."


project = "nas_edge"
version = release = __version__
html_title = f"nas_edge {__version__}"
html_theme = "furo"
html_show_copyright = False
html_show_sphinx = False

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_click",
]
myst_enable_extensions = ["substitution"]
myst_heading_anchors = 3
myst_substitutions = {"notebooks": notebook_list(ROOT / "notebooks")}

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
# "short" would show its marks where a default is no code, as a dataclass's factory is.
autodoc_typehints_format = "fully-qualified"
autodoc_type_aliases = {"npt.ArrayLike": "numpy.typing.ArrayLike"}
python_use_unqualified_type_names = True
autosummary_generate = False
napoleon_custom_sections = ["Source"]
default_role = "code"  # the docstrings' single backticks

nitpicky = True
# Types of other libraries, whose own documentation would have to be fetched.
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|npt|np|torch|nn|pathlib|random|pydantic|typing|collections|optuna)\..*"),
    # The parts of an audit; `audit_frame` shows what they hold.
    ("py:.*", r"nas_edge\.data\.audit\..*"),
]
nitpick_ignore = [
    ("py:class", "nas_edge.data.synthetic.parameters.DrawingParameters"),  # 20 knobs
    # Names of unions, which the docstrings tell.
    ("py:class", "Network"),
    ("py:class", "OneImage"),
]
