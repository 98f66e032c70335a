"""The authors' logs: what is read of them, and each way in which they can be wrong."""

import pytest

from nas_edge.errors import ConfigError, DataError
from nas_edge.paper.logs import load_logs

GOOD = [
    [0, 3.1, 0.25, 0.125, 0.8, 22.0, 9305, 500.5],
    [1, 2.1, 0.50, 0.375, 0.9, 99.0, 9305, 400.5],
    [2, 1.1, 0.75, 0.250, 0.7, 99.0, 9305, 300.5],
]


def test_a_log_becomes_a_history_and_its_means(write_log):
    (log,) = load_logs(write_log("pcb_scratch", "efficientnet", GOOD))

    assert (log.folder, log.network) == ("pcb_scratch", "efficientnetv2-b1")
    assert log.history[1] == {
        "epoch": 2,
        "train_accuracy": 0.5,
        "val_accuracy": 0.375,
        "board_ram_fraction": 0.9,
        "seconds": 400.5,
    }
    told = log.to_dict()
    assert told["log"] == "pcb_scratch/efficientnet.csv"
    assert told["epochs"] == 3
    assert told["train_accuracy_last"] == 0.75
    assert (told["val_accuracy_best"], told["val_accuracy_best_epoch"]) == (0.375, 2)
    assert told["board_ram_fraction_mean"] == pytest.approx(0.8)
    assert (told["board_ram_fraction_min"], told["board_ram_fraction_max"]) == (0.7, 0.9)
    assert told["epoch_time_mean_s"] == pytest.approx(400.5)


def test_logs_come_in_the_order_of_the_tables(write_log):
    for folder, network in (
        ("pcb_finetuned", "mobilenet"),
        ("pcb_scratch", "xception"),
        ("caltech101", "mobilenet"),
        ("caltech101", "xception-lite"),
    ):
        place = write_log(folder, network, GOOD)
    write_log("elsewhere", "xception", [["not", "a", "log"]])

    assert [(log.folder, log.network) for log in load_logs(place)] == [
        ("caltech101", "xception-lite"),
        ("caltech101", "mobilenetv2"),
        ("pcb_scratch", "xception"),
        ("pcb_finetuned", "mobilenetv2"),
    ]


def changed(line, column, value):
    rows = [list(row) for row in GOOD]
    rows[line][column] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([], "must have a line for each epoch, but has none"),
        (changed(1, 2, "many"), "line 3: Acc must be a number, but got 'many'"),
        (changed(1, 7, ""), "line 3: Time must be a number, but got ''"),
        (changed(2, 3, "nan"), "line 4: Val_acc must be a number, but got 'nan'"),
        (changed(0, 3, 1.5), "line 2: Val_acc must be between 0 and 1, but got '1.5'"),
        (
            changed(0, 4, 6200000),
            "Mem_Use must be between 0 and 1, but got '6200000'; jetson-stats",
        ),
        (changed(0, 7, -1), "line 2: Time must be at least 0, but got '-1'"),
        (changed(2, 0, 7), "line 4: Epoch must be 2, but got '7'"),
        ([*GOOD, [3, 1.0]], "line 5: must have 8 values, one a column, but has 2"),
        ([GOOD[0], [*GOOD[1], 7, 7]], "line 3: must have 8 values, one a column, but has 10"),
        ([GOOD[0], [], [5, *GOOD[1][1:]]], "line 4: Epoch must be 1, but got '5'"),
    ],
)
def test_a_malformed_log_is_told_by_file_line_and_column(write_log, rows, says):
    folder = write_log("caltech101", "xception", rows)

    with pytest.raises(DataError) as caught:
        load_logs(folder)

    assert says in str(caught.value)
    assert str(caught.value).startswith(str(folder / "caltech101" / "xception.csv"))


def test_any_line_feed_ends_a_line_and_a_carriage_return_alone_does_not(write_log):
    folder = write_log("caltech101", "xception", GOOD)
    path = folder / "caltech101" / "xception.csv"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join(lines))
    logs = load_logs(folder)
    path.write_bytes(b"\r\n".join(lines))
    assert load_logs(folder) == logs

    path.write_bytes(b"\r".join(lines))
    with pytest.raises(DataError) as caught:
        load_logs(folder)
    assert str(caught.value) == (
        f"{path}: line 1: must end with a line feed, but a carriage return stands alone"
    )
    path.write_bytes(b"\n".join(lines[:2]) + b"\n" + b"\r".join(lines[2:]))
    with pytest.raises(DataError, match="line 3: must end with a line feed"):
        load_logs(folder)


def test_a_log_without_a_column_or_that_is_no_csv_is_told(write_log):
    folder = write_log("caltech101", "xception", GOOD, columns=("Epoch", "Loss", "Accuracy"))
    with pytest.raises(DataError, match="line 1: must name the column Acc, but does not"):
        load_logs(folder)

    path = folder / "caltech101" / "xception.csv"
    path.write_text('Epoch,Acc\n0,"open\n')
    with pytest.raises(DataError, match="is not valid CSV"):
        load_logs(folder)
    path.write_bytes(b"Epoch,Acc\n\xff\xfe\n")
    with pytest.raises(ConfigError, match="must be UTF-8 text"):
        load_logs(folder)


def test_a_folder_that_holds_no_logs_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"nosuch: .* but there is no such folder"):
        load_logs(tmp_path / "nosuch")
    with pytest.raises(ConfigError, match=r"must hold caltech101/, .* but holds none of them"):
        load_logs(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="but is a file"):
        load_logs(tmp_path / "file")
