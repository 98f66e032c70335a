"""Which published cells follow from the authors' logs: by plain csv, statistics and decimals."""

import csv
import statistics
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

import numpy as np
import pytest

from nas_edge.paper.checks import (
    CUT_OFF,
    DIFFERS,
    ROUNDED,
    UNKNOWN,
    check_cell,
    check_cells,
    summary,
)
from nas_edge.paper.logs import last_third, load_logs
from nas_edge.paper.published import published

FILES = {
    "xception-lite": "xception-lite",
    "xception": "xception",
    "efficientnetv2-b1": "efficientnet",
    "mobilenetv2": "mobilenet",
}


def column(history, folder, file, name):
    with (history / folder / f"{file}.csv").open(encoding="utf-8") as opened:
        return [float(row[name]) for row in csv.DictReader(opened)]


def verdict_by_decimals(printed, value, digits):
    """Round or cut the value to the printed digits; single precision's noise is taken off first."""
    exact, unit = Decimal(f"{value:.5f}"), Decimal(1).scaleb(-digits)
    if exact.quantize(unit, ROUND_HALF_UP) == printed:
        return ROUNDED
    return CUT_OFF if exact.quantize(unit, ROUND_DOWN) == printed else DIFFERS


def test_every_verdict_is_that_of_decimals(history):
    checks = {check.cell.place: check for check in check_cells(load_logs(history))}

    for table in published().tables:
        for cell in published().cells(table):
            found, metric = checks.pop(cell.place), cell.column.metric
            file = FILES[cell.network]
            if metric == "train_accuracy":
                value = 100 * column(history, table.log, file, "Acc")[-1]
            elif metric == "board_ram_fraction":
                value = 1000 * statistics.mean(column(history, table.log, file, "Mem_Use"))
            elif metric == "epoch_time":
                value = statistics.mean(column(history, table.log, file, "Time"))
            else:
                assert found.verdict == UNKNOWN
                assert found.recomputed is None
                continue
            assert found.recomputed == pytest.approx(value, rel=1e-9)
            printed = Decimal(str(cell.value))
            assert found.verdict == verdict_by_decimals(printed, value, cell.num_decimals)
    assert checks == {}


def test_what_follows_and_what_does_not(history):
    """25 of the 28 cells that the logs tell; the three others are Xception's on Caltech-101."""
    checks = check_cells(load_logs(history))

    counts = {v: sum(c.verdict == v for c in checks) for v in (ROUNDED, CUT_OFF, DIFFERS, UNKNOWN)}
    assert counts == {ROUNDED: 15, CUT_OFF: 10, DIFFERS: 3, UNKNOWN: 28}
    assert [(c.cell.network, c.cell.printed, c.shown) for c in checks if c.verdict == DIFFERS] == [
        ("xception", "96.95%", "97.1189"),
        ("xception", "874.6MB", "884.374"),
        ("xception", "702.19s", "709.2011"),
    ]
    lines = summary(checks)
    assert lines[0] == (
        "Of 56 published cells the logs tell 28: 25 follow (15 rounded, 10 cut off), 3 do not."
    )
    assert lines[-1] == (
        "Table 1, Xception (Original): none of its 3 cells that the log tells follows; "
        "the log seems to be of another training"
    )
    assert len(lines) == 5


def test_the_log_of_xception_on_caltech_is_far_from_its_test_accuracy(history):
    val = column(history, "caltech101", "xception", "Val_acc")
    assert val[-1] == pytest.approx(0.40, abs=1e-6)
    assert max(val) == pytest.approx(0.4573, abs=5e-5)

    (check,) = [
        c
        for c in check_cells(load_logs(history))
        if c.cell.printed == "75.89%" and c.cell.network == "xception"
    ]
    assert check.verdict == UNKNOWN
    assert "validation ends at 40.00%, its best is 45.73%" in check.reason
    assert check.reason.endswith("in the last third of the epochs it lies between 24.63 and 45.73%")


def test_what_a_note_says_of_unsteady_trainings_is_in_the_logs(history):
    note = published().notes["unsteady"]
    for network in ("xception-lite", "xception", "efficientnet", "mobilenet"):
        late = last_third(column(history, "pcb_scratch", network, "Val_acc"))
        assert len(late) == 20
        assert f"{100 * min(late):.1f} and {100 * max(late):.1f}%" in note
    late = last_third(column(history, "caltech101", "efficientnet", "Val_acc"))
    note = published().notes["unsteady_caltech"]
    assert f"{100 * min(late):.1f} and {100 * max(late):.1f}%" in note
    assert f"ends at {100 * late[-1]:.1f}%" in note


@pytest.mark.parametrize(
    ("folder", "train", "val"),
    [
        ("caltech101", 6907, 820),
        ("pcb_scratch", 14000, 4000),
        ("pcb_frozen", 14000, 4000),
        ("pcb_finetuned", 14000, 4000),
    ],
)
def test_accuracies_are_whole_fractions_of_the_images_that_the_notes_name(
    history, folder, train, val
):
    """And of no smaller number: the notes on 9,146 and on 22,000 images."""
    for path in (history / folder).glob("*.csv"):
        for name, images in (("Acc", train), ("Val_acc", val)):
            values = np.array(column(history, folder, path.stem, name))
            counts = np.arange(1, images + 1)[:, None]
            distance = np.abs(np.round(values * counts) / counts - values)
            (fits,) = np.nonzero((distance < 5e-8).all(axis=1))
            assert counts[fits, 0].tolist() == [images]
        table = [t for t in published().tables if t.log == folder]
        assert all((t.images["train"], t.images["val"]) == (train, val) for t in table)


def test_test_accuracies_fit_the_images_that_the_notes_name():
    """950 images of Caltech-101, with no fewer; 2,000 of the circuit boards."""

    def fits(percent, num_images):
        nearest = round(float(percent) / 100 * num_images)
        return any(
            (Decimal(100 * k) / num_images).quantize(Decimal("0.01"), ROUND_HALF_UP) == percent
            for k in (nearest - 1, nearest, nearest + 1)
        )

    shown = [Decimal(p) for p in ("76.21", "75.89", "30.53", "58.11")]
    assert [n for n in range(50, 1900) if all(fits(p, n) for p in shown)] == [950]
    assert 6907 + 820 + 950 == 8677
    assert (Decimal(29000) / 950).quantize(Decimal("0.01"), ROUND_DOWN) == Decimal("30.52")
    for table in published().tables[1:]:
        for network in table.rows:
            percent = published().cell(table, network, "test_accuracy").value
            assert (percent * 20) == pytest.approx(round(percent * 20), abs=1e-9)


def test_the_boards_memory_rises_in_every_log(history):
    for path in history.glob("*/*.csv"):
        memory = column(history, path.parent.name, path.stem, "Mem_Use")
        assert statistics.mean(memory[-10:]) > statistics.mean(memory[:10])
    lite = column(history, "pcb_scratch", "xception-lite", "Mem_Use")
    assert (round(lite[0], 3), round(lite[-1], 3)) == (0.808, 0.903)


def test_the_texts_97_20_stands_in_the_log_of_an_earlier_epoch(history):
    train = column(history, "pcb_scratch", "xception", "Acc")
    assert len(train) == 60
    assert round(100 * train[-1], 2) == 97.66
    assert round(100 * train[49], 3) == 97.207


def lite_log(write_log, last_accuracy, memory, seconds):
    """Three epochs whose means are the ones given."""
    rows = [
        [0, 1.0, 0.5, 0.4, memory - 0.01, 99.0, 9000, seconds - 1],
        [1, 1.0, 0.6, 0.7, memory, 99.0, 9000, seconds],
        [2, 1.0, last_accuracy, 0.6, memory + 0.01, 99.0, 9000, seconds + 1],
    ]
    return load_logs(write_log("caltech101", "xception-lite", rows))


@pytest.mark.parametrize(
    ("accuracy", "memory", "seconds", "verdicts"),
    [
        (0.9616, 0.8479, 523.88, [ROUNDED, ROUNDED, ROUNDED]),
        (0.96156, 0.84785, 523.876, [ROUNDED, ROUNDED, ROUNDED]),
        (0.96169, 0.84799, 523.8899, [CUT_OFF, CUT_OFF, CUT_OFF]),
        (0.9617, 0.8480, 523.89, [DIFFERS, DIFFERS, DIFFERS]),
        (0.96154, 0.84784, 523.874, [DIFFERS, DIFFERS, DIFFERS]),
    ],
)
def test_a_cell_follows_if_rounding_or_cutting_off_gives_it(
    write_log, accuracy, memory, seconds, verdicts
):
    logs = lite_log(write_log, accuracy, memory, seconds)
    table = published().tables[0]
    metrics = ("train_accuracy", "board_ram_fraction", "epoch_time")
    cells = [published().cell(table, "xception-lite", metric) for metric in metrics]

    assert [check_cell(cell, logs[0]).verdict for cell in cells] == verdicts


def test_a_cell_without_its_log_cannot_be_checked(write_log):
    checks = check_cells(lite_log(write_log, 0.9, 0.8, 500))

    of_others = [c for c in checks if c.cell.network != "xception-lite"]
    assert {check.verdict for check in of_others} == {UNKNOWN}
    assert "there is no log in pcb_frozen/" in {check.reason for check in of_others}
    assert summary(checks)[0].startswith("Of 56 published cells the logs tell 3: 0 follow")
