"""The published tables and a comparison as DataFrames, against the paper's text."""

import pytest

from nas_edge import compare_with_paper, open_run, published_cells, published_tables
from nas_edge.errors import StudyError


def test_tables_hold_the_printed_numbers_with_their_units():
    tables = published_tables()

    assert list(tables) == [
        "Table 1",
        "Table 2 (Not Pre-trained)",
        "Table 2 (Pre-trained on Caltech-101)",
    ]
    first = tables["Table 1"].loc["Xception (Original)"]
    assert first.to_dict() == {
        "#Params (M)": 21.1,
        "Train Acc (%)": 96.95,
        "Test Acc (%)": 75.89,
        "Avg Mem. per Epoch (MB)": 874.6,
        "Avg Time per Epoch (s)": 702.19,
        "Avg Inf. Time (ms)": 520.0,
    }
    second = tables["Table 2 (Not Pre-trained)"].loc["MobileNetV2"]
    assert second["Avg Mem. (MB)"] == 849.4
    assert [len(table) for table in tables.values()] == [4, 4, 4]


def test_every_cell_says_what_it_means():
    cells = published_cells()

    assert len(cells) == 4 * 6 + 4 * 4 + 4 * 4
    is_lite = (cells["table"] == "Table 1") & (cells["network"] == "xception-lite")
    memory = cells[is_lite & (cells["metric"] == "board_ram_fraction")].iloc[0]
    assert (memory["printed"], memory["value"], memory["amount"]) == ("847.9MB↓", 847.9, 0.8479)
    assert "fraction of the board's RAM" in memory["notes"]


def test_a_run_is_compared_by_the_networks_name(make_run):
    run = open_run(make_run("frames"))

    comparison = compare_with_paper(run)
    frame = comparison.to_frame().set_index("figure")

    assert comparison.name == "xception-lite"
    assert list(frame.columns) == ["paper, Table 2 (Not Pre-trained)", "this run"]
    assert list(frame.loc["test accuracy"]) == ["90.30%", "80.0%"]
    assert list(frame.loc["memory measured: training's peak"]) == ["–", "700.0 MiB"]
    assert compare_with_paper(run, "mobilenetv2").name == "mobilenetv2"
    with pytest.raises(StudyError, match="must hold efficientnetv2-b1 to compare"):
        compare_with_paper(run, "efficientnetv2-b1")
