"""The notebooks as they are committed: without outputs, in words before code, by public names."""

import ast
import json
import re
from pathlib import Path

import pytest

import nas_edge
import nas_edge.pareto

NOTEBOOKS = sorted((Path(__file__).resolve().parents[2] / "notebooks").glob("*.ipynb"))
PUBLIC = {"nas_edge": nas_edge.__all__, "nas_edge.pareto": nas_edge.pareto.__all__}
# What the extra `notebooks` and the package's own requirements bring, and the standard library.
OTHERS = {"IPython", "PIL", "matplotlib", "numpy", "pandas", "pathlib", "random", "shutil"}

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source_of(cell):
    return "".join(cell["source"])


def test_the_four_are_there():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_first_study",
        "02_reproduce_the_paper",
        "03_explore_the_front",
        "04_your_own_space_and_data",
    ]


@each
def test_nothing_of_a_run_is_kept_in_it(path):
    data = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in data["cells"] if cell["cell_type"] == "code"]

    hint = "clear its outputs (in Jupyter: Edit, Clear Outputs of All Cells), and save"
    assert [cell["outputs"] for cell in code] == [[]] * len(code), hint
    assert [cell["execution_count"] for cell in code] == [None] * len(code), hint
    assert [cell["metadata"] for cell in data["cells"]] == [{}] * len(data["cells"])
    assert data["metadata"]["kernelspec"]["name"] == "python3"
    assert "version" not in data["metadata"].get("language_info", {}), "names a machine's Python"


@each
def test_every_cell_has_an_id_of_its_own(path):
    data = json.loads(path.read_text(encoding="utf-8"))
    ids = [cell["id"] for cell in data["cells"]]

    assert (data["nbformat"], data["nbformat_minor"]) == (4, 5)
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", one) for one in ids)


@each
def test_words_come_before_code(path):
    kinds = [cell["cell_type"] for cell in cells_of(path)]

    assert kinds[0] == "markdown"
    assert source_of(cells_of(path)[0]).startswith("# ")
    for first, second, third in zip(kinds, kinds[1:], kinds[2:]):
        assert "markdown" in (first, second, third), "three cells of code in a row"


@each
def test_only_public_names_are_used(path):
    code = "\n".join(source_of(cell) for cell in cells_of(path) if cell["cell_type"] == "code")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= OTHERS
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            if node.module in PUBLIC:
                assert names <= set(PUBLIC[node.module])
            else:
                assert node.module.partition(".")[0] in OTHERS
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
