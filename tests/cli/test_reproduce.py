"""`nas-edge reproduce` from the command line: the rows, and what is refused in one line."""

import pytest

from nas_edge import open_run


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A folder of two classes, as the public crops have it; not to be changed."""
    from nas_edge.data.synthetic import SyntheticPcb, write_class_folders

    place = tmp_path_factory.mktemp("crops") / "pcb"
    write_class_folders(SyntheticPcb(image_size=32), place, {"train": 32, "val": 16, "test": 16})
    return place


def test_a_networks_row_stands_beside_the_published_one(workplace, images):
    options = ("--task", "pcb", "--data", images, "--image-size", 32, "--epochs", 1)
    code, out, err = workplace.call("reproduce", "mobilenetv2", *options)
    assert code == 0, err
    run = open_run(workplace.folder / "runs" / "reproduce-pcb-scratch")
    accuracy = run.record(0).value("test_accuracy")
    assert "50.50%" in out  # Table 2, MobileNetV2, test accuracy
    assert f"{100 * accuracy:.1f}%" in out
    for difference in ("1 epoch", "32 px"):
        assert difference in out, out
    assert "reproduce-pcb-scratch: val accuracy against peak training memory" in out
    assert (run.folder.path / "report.html").is_file()


def test_a_network_that_fails_is_said_and_how_to_train_it_again(workplace, images):
    too_short = (
        "from nas_edge.candidate.process import ChildLimits\n"
        "from nas_edge.study import reproduction\n"
        "reproduction.ChildLimits = lambda *_: ChildLimits(0.01, 60)\n"
    )
    options = ("--task", "pcb", "--data", images, "--image-size", 32, "--epochs", 1)
    code, out, err = workplace.call("reproduce", "mobilenetv2", *options, code=too_short)
    assert code == 1, err
    assert "hung: " in out
    assert "no figures of mobilenetv2: the run keeps what happened; to train again, give" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name a network (xception, xception-lite"),
        (("vgg",), "the network must be one of xception, "),
        (("--all", "xception"), "--all must not be given with names"),
        (("xception", "--task", "pcb"), "--data is missing: pcb needs the folder"),
        (("xception", "--setting", "frozen"), "--from is missing: frozen begins"),
        (("xception", "--setting", "frozen", "--from", "no/run"), "there is no such folder"),
        (("xception", "--task", "pcb", "--data", "none"), "there is no such folder"),
    ],
)
def test_what_cannot_be_reproduced_is_refused_in_one_line(workplace, arguments, message):
    code, _, err = workplace.call("reproduce", *arguments)
    assert code == 2
    assert message in err
    assert len(err.strip().splitlines()) == 1
