"""The commands other than run, and how errors reach the user."""

import json
import os
import re
import subprocess
import sys

import pytest
from in_process import call, error_of

from nas_edge import __version__, open_run
from nas_edge.cli.main import SAVER_NAMES
from nas_edge.config.units import format_bytes

HEAVY = ("torch", "torchvision", "optuna", "pandas", "plotly", "matplotlib", "sqlalchemy")
COMMANDS = ([], ["run"], ["front"], ["report"], ["show"], ["estimate"], ["spaces"], ["studies"])
COMMANDS += (["data"], ["data", "synthetic"], ["data", "audit"], ["data", "fetch"])
COMMANDS += (["data", "fetch", "caltech101"], ["data", "prepare-pcb"], ["doctor"], ["reproduce"])
COMMANDS += (["finalize"],)
COMMANDS += (["paper"], ["paper", "tables"], ["paper", "figures"])


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_of_every_command(command, option):
    result = call(*command, option)

    assert result.exit_code == 0, result.stderr
    assert result.output.startswith("Usage: nas-edge")


@pytest.mark.parametrize(
    "arguments", [["--version"], ["--help"], ["run", "--help"], ["spaces"], ["paper", "tables"]]
)
def test_light_commands_import_nothing_heavy(repository, arguments):
    code = (
        "import sys\nfrom nas_edge.cli.main import main\n"
        f"try: main({arguments!r})\nexcept SystemExit as end: assert not end.code\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, check=True
    )

    assert done.stdout.splitlines()[-1].split() == ["heavy:"]


def test_version():
    assert call("--version").output == f"nas-edge, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--nonsense"],
        ["fly"],
        ["run"],
        ["run", "demo", "--trials", "0"],
        ["run", "demo", "--trials", "many"],
        ["run", "demo", "--seed", "-1"],
        ["run", "demo", "--device", "tpu"],
        ["report", "x", "--accuracy-frontier", "70"],
        ["show", "xception", "--classes", "1"],
        ["data", "synthetic"],
        ["data", "synthetic", "--out", "x", "--classes", "3"],
        ["data", "audit"],
        ["data", "audit", "x", "--near"],
        ["data", "audit", "x", "--distance", "-1"],
    ],
    ids=" ".join,
)
def test_a_wrong_option_is_one_line_with_the_next_step(arguments):
    result = call(*arguments)

    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("nas-edge: error: ")
    assert re.search(r"; see nas-edge[a-z -]* --help$", line)
    assert result.stdout == ""


def test_unknown_study_lists_the_shipped_ones():
    assert "shipped studies: demo, paper, pcb" in error_of(call("run", "nosuch"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nspace: xception_cnd_small\ntrails: 3\n", "trails is not a known key; did you"),
        ("name: a\nspace: xception_cnd_small\ntrials: three\n", "trials must be a whole number"),
        ("name: a\nspace: nosuch\ndata: {source: synthetic-pcb}\n", "nosuch"),
        ("name: [\n", "is not valid YAML in line"),
        ("", "must hold keys and values"),
    ],
)
def test_mistake_in_a_study_file_names_file_and_key(tmp_path, text, says):
    file = tmp_path / "mine.yaml"
    file.write_text(text)

    message = error_of(call("run", file, "--out", tmp_path / "run"))

    assert says in message
    assert "mine.yaml" in message or "nosuch" in message
    assert not (tmp_path / "run").exists()


def test_options_are_checked_by_the_rules_of_the_file(tmp_path):
    message = error_of(call("run", "demo", "--time-budget", "soon", "--out", tmp_path / "run"))
    assert "--time-budget must be a time such as 8h" in message
    message = error_of(call("run", "demo", "--memory-limit", "4", "--out", tmp_path / "run"))
    assert "--memory-limit must be an amount of memory such as 4GiB" in message


def test_missing_image_folder_is_named(tmp_path):
    message = error_of(call("run", "pcb", "--data", tmp_path / "none", "--out", tmp_path / "run"))
    assert f"{tmp_path / 'none'}: must be a folder of images" in message


@pytest.mark.parametrize("command", ["front", "report"])
def test_looking_at_no_run(tmp_path, command):
    assert "there is no such folder" in error_of(call(command, tmp_path / "nowhere"))
    assert "it holds no run.json" in error_of(call(command, tmp_path))


def test_debug_shows_the_traceback(repository):
    done = subprocess.run(
        [sys.executable, "-m", "nas_edge", "--debug", "run", "nosuch"],
        capture_output=True,
        text=True,
        cwd=repository,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ConfigError" in done.stderr


@pytest.mark.parametrize("kind", ["spaces", "studies"])
def test_shipped_files_are_listed_with_their_places(kind):
    result = call(kind)

    assert result.exit_code == 0
    lines = result.output.splitlines()
    paths = [line.strip() for line in lines[1::2]]
    assert all(os.path.isfile(path) for path in paths)
    assert any("demo" in line or "xception_cnd" in line for line in lines)


def test_show_a_space():
    result = call("show", "xception_cnd_small", "--json")
    data = json.loads(result.output)

    product = 1
    for values in data["choices"].values():
        product *= len(values)
    assert data["num_points"] == product
    assert set(data["references"]) == {
        "xception x0.25",
        "xception-lite x0.25",
        "xception-lite-text x0.25",
    }
    assert f"{product:,} points" in call("show", "xception_cnd_small").output


def test_show_a_network_layer_by_layer():
    data = json.loads(call("show", "xception-lite", "--classes", 101, "--json").output)
    assert data["num_params"] == 15_834_933
    assert sum(layer["num_params"] for layer in data["layers"]) == 15_834_933

    text = call("show", "xception", "--classes", 101).output
    assert "21,068,429" in text
    assert "21,013,901" in text


def test_show_a_file_that_show_has_written(tmp_path):
    shown = json.loads(call("show", "xception-lite x0.25", "--json").output)
    file = tmp_path / "mine.yaml"
    file.write_text(json.dumps(shown["architecture"]))

    assert json.loads(call("show", file, "--json").output)["key"] == shown["key"]


@pytest.mark.parametrize("command", ["show", "estimate"])
def test_unknown_network_says_what_is_known(command):
    message = error_of(call(command, "resnet50"))
    assert "xception_cnd_small" in message
    assert "xception-lite-text" in message
    assert "x0.25" in message
    assert "width multiplier" in error_of(call(command, "xception x-1"))


def test_estimate_adds_up():
    (row,) = json.loads(call("estimate", "xception x0.25", "--image-size", 32, "--json").output)

    parts = row["parts_bytes"]
    assert row["peak_bytes"] == sum(parts.values())
    assert parts["optimizer"] == 2 * 4 * row["num_trainable"]  # Adam keeps two moments
    lines = call("estimate", "xception x0.25", "--image-size", 32).output.splitlines()
    shown = [float(line.split(" MiB")[0].split()[-1]) for line in lines[2:]]
    assert shown[-1] == pytest.approx(sum(shown[:-1]), abs=0.6)
    assert "estimated, not measured" in lines[-1]


@pytest.mark.slow
def test_estimate_shows_each_memory_saver_with_the_plain_training_first():
    options = ("xception-lite x0.25", "--image-size", 48, "--memory-saver", "all", "--json")
    rows = json.loads(call("estimate", *options).output)
    assert [row["memory_saver"] for row in rows] == list(SAVER_NAMES)
    assert all(row["peak_bytes"] < rows[0]["peak_bytes"] for row in rows[1:])
    assert "a training step" in rows[0]["source"]
    lines = call("estimate", "xception-lite x0.25", "--memory-saver", "unit").output.splitlines()
    assert "memory saver unit" in lines[0]
    lines = call("estimate", *options[:-1]).output.splitlines()
    assert lines[0].split() == ["memory", "saver", "peak"]
    table = [line.split() for line in lines[1 : len(SAVER_NAMES) + 1]]
    assert [row[0] for row in table] == list(SAVER_NAMES)
    plain = rows[0]["peak_bytes"]
    assert [row[-1] for row in table] == [f"{100 * r['peak_bytes'] / plain:.0f}%" for r in rows]


def test_synthetic_set_is_written_and_can_be_refused(tmp_path):
    counts = ["--counts", 4, 2, 2, "--image-size", 24]
    result = call("data", "synthetic", "--out", tmp_path / "set", *counts)

    assert result.exit_code == 0, result.output
    assert "8 images" in result.output
    assert len([p for p in (tmp_path / "set").rglob("*") if p.is_file()]) == 8
    (tmp_path / "file").write_text("")
    for place, code in (("file", 2), ("file/set", 3)):
        result = call("data", "synthetic", "--out", tmp_path / place, *counts)
        assert result.exit_code == code
        assert result.stderr.count("\n") == 1


def test_output_into_a_closed_pipe_is_silent(repository):
    done = subprocess.run(
        f"{sys.executable} -m nas_edge show xception_cnd | head -1",
        shell=True,
        capture_output=True,
        text=True,
        cwd=repository,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_front_report_show_and_estimate_of_a_finished_run(finished, tmp_path):
    run = finished.run_folder

    data = json.loads(call("front", run, "--json").output)
    assert data["study"] == "tiny"
    assert {row["number"] for row in data["rows"]} <= {0, 1, 2}
    assert call("front", run, "--csv").output.startswith("number,name,on_front")
    assert "must not be given together" in error_of(call("front", run, "--json", "--csv"))
    result = call("report", run, "--out", tmp_path / "a.html", "--accuracy-frontier", 0.5)
    assert result.exit_code == 0
    assert "accuracy frontier at 50%" in (tmp_path / "a.html").read_text(encoding="utf-8")
    recipe = open_run(run).identity["recipe"]
    assert f"{recipe['image_size']} px, 2 classes" in call("show", f"{run}:0").output
    assert "50 px, 3 classes" in call("show", f"{run}:0", "--image-size", 50, "--classes", 3).output
    trained = f"{recipe['image_size']} px, batch {recipe['batch_size']}, {recipe['optimizer']}"
    estimated = call("estimate", f"{run}:0").output
    assert trained in estimated
    peak = open_run(run).record(0).measurement.metrics["peak_memory"]
    told = f"measured in {run}: peak training memory {format_bytes(peak.value)}"
    assert estimated.splitlines()[-1].startswith(told)
    assert "has no measured trial 99" in error_of(call("show", f"{run}:99"))


def test_front_on_a_narrow_terminal(finished):
    code, out, err = finished.call("front", "runs/tiny", COLUMNS="40")

    assert (code, err) == (0, "")
    assert "3 candidates" in out
