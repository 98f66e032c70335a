"""The data file against the paper's tables, copied here as the paper's text has them."""

import re

import pytest

from nas_edge.paper.published import published
from nas_edge.pareto import quadrants

TABLE_1 = r"""
Optimized Model	15.8M ↓	96.16%↓	76.21%	847.9MB↓	523.88s↓	$465 \text{ms}\downarrow$
Xception (Original)	21.1M	96.95%	75.89%	$874.6 \mathrm{MB}$	702.19s	520 ms
EfficientNetV2B1	7.1M	93.32%	30.53%	823.0MB	381.44s	383ms
MobileNetV2	2.4M	90.79%	58.11%	$838.6 \mathrm{MB}$	301.12s	306ms
"""
TABLE_2 = r"""
Optimized Model	97.81%	90.30%	865.8	465 ms	70.71%↓	69.80%↓	833.7↓	$446 \text{ms} \downarrow$
Xception (Original)	97.66%	88.10%	893.6	519ms	<b>70.84</b> % ↓	$\mathbf{71.00\%}\downarrow$	$831.5\downarrow$	$509 \text{ms} \downarrow$
EfficientNetV2B1	88.87%	55.25%	874.8	346ms	$65.96\% \downarrow$	$67.40\%$ $\uparrow$	$828.7\downarrow$	$335 \text{ms} \downarrow$
MobileNetV2	96.13%	50.50%	849.4	295 ms	67.89% ↓	$69.05\%\uparrow$	$\textbf{818.2}\downarrow$	$\mathbf{295ms}\downarrow$
"""  # noqa: E501


def plain(text):
    """Return a cell of the paper's text without its markup."""
    text = text.replace(r"\downarrow", "↓").replace(r"\uparrow", "↑")
    return re.sub(r"\\text(bf)?|\\math(rm|bf)|</?b>|[${}\\ ]", "", text)


def rows_of(text):
    rows = [line.split("\t") for line in text.strip().splitlines()]
    return {row[0]: [plain(cell) for cell in row[1:]] for row in rows}


def printed(table):
    rows = {}
    for cell in published().cells(table):
        rows.setdefault(cell.label, []).append(cell.printed)
    return rows


def test_every_cell_is_as_printed():
    first, scratch, pretrained = published().tables

    assert printed(first) == rows_of(TABLE_1)
    assert printed(scratch) == {name: row[:4] for name, row in rows_of(TABLE_2).items()}
    assert printed(pretrained) == {name: row[4:] for name, row in rows_of(TABLE_2).items()}


def test_a_cell_knows_its_value_unit_place_and_figure_of_the_same_meaning():
    table = published().tables[0]
    cell = published().cell(table, "xception-lite", "board_ram_fraction")

    assert (cell.value, cell.column.unit, cell.num_decimals) == (847.9, "MB", 1)
    assert cell.amount == 0.8479
    assert cell.place == "Table 1, Optimized Model, Avg Mem. per Epoch (section 4.1)"
    assert published().cell(table, "xception-lite", "params").amount == 15_800_000
    assert published().cell(table, "xception-lite", "test_accuracy").amount == 0.7621
    assert published().cell(table, "squeezenet", "params") is None


def test_units_are_those_that_the_cells_print():
    for table in published().tables:
        for cell in published().cells(table):
            unit = re.sub(r"[0-9.↓↑]", "", cell.printed)
            assert unit in (cell.column.unit, "")


def test_every_note_is_used_and_every_used_note_is_there():
    used = set()
    for table in published().tables:
        used |= {name for column in table.columns.values() for name in column.notes}
        used |= {n for row in table.cell_notes.values() for names in row.values() for n in names}
        used |= set(table.notes)
        assert set(table.cell_notes) <= set(table.rows) == set(published().networks)
        for row in table.rows.values():
            assert list(row) == list(table.columns)
        for row in table.cell_notes.values():
            assert set(row) <= set(table.columns)

    assert used == set(published().notes)


def test_parameters_are_what_the_networks_have():
    """The counted ones with 101 classes, moving statistics included."""
    counted = {
        "xception-lite": 15_834_933,
        "xception": 21_068_429,
        "efficientnetv2-b1": 7_060_505,
        "mobilenetv2": 2_387_365,
    }
    table = published().tables[0]
    for network, count in counted.items():
        cell = published().cell(table, network, "params")
        assert f"{count / 1e6:.1f}" == f"{cell.value:.1f}"


def test_the_notes_on_the_pretrained_networks_hold():
    """Xception is better on both axes, and Figure 4's rule puts the optimized model elsewhere."""
    table = published().tables[2]
    order = ("xception-lite", "xception", "efficientnetv2-b1", "mobilenetv2")
    accuracy = [published().cell(table, n, "test_accuracy").amount for n in order]
    memory = [published().cell(table, n, "board_ram_fraction").value for n in order]

    assert accuracy[1] > accuracy[0]
    assert memory[1] < memory[0]
    assert quadrants(accuracy, memory).labels[0] == "Low Accuracy, High Memory"


@pytest.mark.parametrize("network", ["xception-lite", "xception", "mobilenetv2"])
def test_the_note_on_the_inference_times_holds(network):
    """Within 11 ms between the tables, while EfficientNetV2B1 is 37 ms apart."""

    def apart(name):
        first, scratch, _ = published().tables
        return abs(
            published().cell(first, name, "batch_latency").value
            - published().cell(scratch, name, "batch_latency").value
        )

    assert apart(network) <= 11
    assert apart("efficientnetv2-b1") == 383 - 346
