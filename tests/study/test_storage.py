"""Storages that are gone, broken, full, of another version, or never were."""

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
from importlib.util import find_spec

import optuna
import pytest

from nas_edge import NasEdgeError, open_run, run_study
from nas_edge.errors import ConfigError, EnvironmentProblem, StudyError
from nas_edge.study.reading import read_trials
from nas_edge.study.records import records_of
from nas_edge.study.storage import mask, open_storage


def one_line(error):
    return "\n" not in str(error)


@pytest.fixture
def run(tmp_path, spaces):
    """A finished run of four candidates."""
    folder = tmp_path / "run"
    run_study(spaces[0](), spaces[2](), trials=4, out=folder, sampler="random")
    return folder


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        ("not a url", ConfigError, "must be a database URL"),
        ("postgresql://me:secret@host:port/db", ConfigError, "must be a database URL"),
        ("oracular://host/db", ConfigError, "SQLAlchemy knows"),
        ("mysql+pymysql://me:secret@127.0.0.1/db", ConfigError, "nas-edge[mysql]"),
        ("sqlite:////nowhere/at/all/study.db", EnvironmentProblem, "cannot be opened"),
    ],
)
def test_storage_that_cannot_be_is_one_line(tmp_path, letters, table, url, error, says):
    if "pymysql" in url and find_spec("pymysql"):
        pytest.skip("pymysql is installed")
    with pytest.raises(error) as caught:
        run_study(letters, table, out=tmp_path / "run", storage=url)

    assert says in str(caught.value)
    assert one_line(caught.value)
    assert "secret" not in str(caught.value)
    assert table.calls == []


def test_refused_storage_leaves_a_folder_that_can_be_used(tmp_path, letters, table):
    with pytest.raises(ConfigError):
        run_study(letters, table, out=tmp_path / "run", storage="not a url")

    assert len(run_study(letters, table, trials=2, out=tmp_path / "run")) == 2


@pytest.mark.skipif(find_spec("psycopg2") is None, reason="psycopg2 is not installed")
def test_unreachable_postgresql_is_the_environments_fault(tmp_path, letters, table):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    url = f"postgresql://me:secret@127.0.0.1:{port}/db"
    with pytest.raises(EnvironmentProblem, match="cannot be opened") as caught:
        run_study(letters, table, out=tmp_path / "run", storage=url)

    assert caught.value.exit_code == 3
    assert one_line(caught.value)
    assert "secret" not in str(caught.value)


def test_file_that_is_no_database_is_named(run, letters, table):
    (run / "study.db").write_bytes(b"this is no database, but longer than a header" * 30)

    for call in (
        lambda: run_study(letters, table, trials=5, out=run, sampler="random"),
        lambda: open_run(run),
    ):
        with pytest.raises(EnvironmentProblem, match=r"study\.db") as caught:
            call()
        assert one_line(caught.value)


def test_database_with_damaged_pages_is_one_line(run, letters, table):
    with open(run / "study.db", "r+b") as file:
        file.seek(4096)
        file.write(os.urandom(60000))

    with pytest.raises(NasEdgeError) as caught:
        run_study(letters, table, trials=5, out=run, sampler="random")
    assert one_line(caught.value)
    with pytest.raises(NasEdgeError) as caught:
        open_run(run)
    assert one_line(caught.value)


def test_storage_deleted_under_a_running_study_ends_it_and_nothing_is_lost(tmp_path, spaces):
    run, table = tmp_path / "run", spaces[2]()

    def evaluate(point):
        if len(table.calls) == 2:
            (run / "study.db").unlink()
        return table(point)

    with pytest.raises(EnvironmentProblem, match=r"study\.db: the storage is gone"):
        run_study(spaces[0](), evaluate, trials=5, out=run, sampler="random")
    with pytest.raises(EnvironmentProblem, match="the storage is gone"):
        open_run(run)

    again = spaces[2]()
    records = run_study(spaces[0](), again, trials=5, out=run, sampler="random")
    assert len(records) == 5
    assert len(again.calls) == 2  # the first three are taken from the candidates' folders


def test_run_of_another_format_is_refused(run, letters, table):
    data = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**data, "format": 99}))

    with pytest.raises(StudyError, match=r"another version of nas-edge.*format 99"):
        run_study(letters, table, trials=5, out=run)
    with pytest.raises(StudyError, match=r"another version of nas-edge.*format 99"):
        open_run(run)


def edit_study(run, key, value):
    with sqlite3.connect(run / "study.db") as connection:
        connection.execute(
            "UPDATE study_user_attributes SET value_json = ? WHERE key = ?",
            (json.dumps(value), f"nas_edge:{key}"),
        )
    connection.close()


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("format", 99, "another version of nas-edge .format 99"),
        ("optuna", "3.6.1", "was made with Optuna 3.6.1, but this is Optuna"),
    ],
)
def test_study_of_another_version_is_refused(run, letters, table, key, value, says):
    edit_study(run, key, value)

    with pytest.raises(StudyError, match=says):
        run_study(letters, table, trials=5, out=run)
    with pytest.raises(StudyError, match=says):
        open_run(run)


def test_study_that_is_not_of_nas_edge_is_left_alone(tmp_path, letters, table):
    url = f"sqlite:///{tmp_path / 'other.db'}"
    other = optuna.create_study(storage=url, study_name="run", directions=["maximize", "minimize"])
    other.tell(other.ask(), [1.0, 2.0])

    with pytest.raises(StudyError, match="is not a study of nas-edge"):
        run_study(letters, table, trials=5, out=tmp_path / "run", storage=url)
    assert len(other.get_trials()) == 1


def test_every_difference_is_named(run, spaces, table):
    with pytest.raises(StudyError) as caught:
        run_study(spaces[1](), table, trials=5, out=run, seed=3, identity={"memory_limit": 5})

    for part in ("memory_limit is new (5)", "seed was 0 and is now 3", "space.size is new (4)"):
        assert part in str(caught.value)


def test_folder_of_another_study_or_of_other_files_is_refused(run, tmp_path, letters, table):
    with pytest.raises(StudyError, match="holds the study 'run', not 'other'"):
        run_study(letters, table, out=run, name="other")
    with pytest.raises(StudyError, match="keeps its trials in sqlite"):
        run_study(letters, table, out=run, storage="postgresql://me:secret@host/db")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("")
    with pytest.raises(StudyError, match="must be empty or a run of nas-edge"):
        run_study(letters, table, out=tmp_path / "papers")
    assert table.calls == []


@pytest.mark.parametrize("left", [".lock", ".run.json.0a1b2c3d.partial"])
def test_folder_of_a_run_that_was_killed_at_its_start_is_taken(tmp_path, letters, table, left):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / left).write_text('{"for')
    assert len(run_study(letters, table, trials=2, out=tmp_path / "run")) == 2


def test_storage_that_went_away_is_not_taken_for_a_run_without_trials(run):
    for file in run.glob("study.db*"):
        file.unlink()
    with pytest.raises(EnvironmentProblem, match="the storage is gone"):
        open_run(run)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_storage_in_memory_is_refused(tmp_path, letters, table, url):
    with pytest.raises(ConfigError, match="must be a file or a server"):
        run_study(letters, table, out=tmp_path / "run", storage=url)


def test_folder_that_is_not_utf8_is_refused(tmp_path, letters, table):
    with pytest.raises(ConfigError, match="only characters that can be printed"):
        run_study(letters, table, out=os.fsdecode(os.fsencode(tmp_path) + b"/b\xff"))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_those_that_make_one_sqlite_storage_at_once_all_get_it(tmp_path):
    # Again and again in the same processes, which are in step: the moment is short.
    code = (
        "import sys; from nas_edge.study.storage import open_storage\n"
        "import optuna, sqlalchemy\n"
        "for line in sys.stdin: open_storage(line.strip()); print('made', flush=True)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with contextlib.ExitStack() as stack:
        makers = [
            stack.enter_context(subprocess.Popen([sys.executable, "-c", code], **pipes))
            for _ in range(3)
        ]
        for attempt in range(10):
            for maker in makers:
                maker.stdin.write(f"sqlite:///{tmp_path}/{attempt}.db\n")
                maker.stdin.flush()
            assert [maker.stdout.readline() for maker in makers] == ["made\n"] * 3
        for maker in makers:
            maker.stdin.close()


def test_folder_that_no_database_url_can_name_is_refused(tmp_path, letters, table):
    with pytest.raises(ConfigError, match=r"must have no '\?'"):
        run_study(letters, table, out=tmp_path / "what?")


def test_folder_that_goes_away_under_a_candidate_is_one_line(tmp_path, letters, table):
    def lose_the_folder(event):
        if event["event"] == "candidate" and event["number"] == 2:
            shutil.rmtree(tmp_path / "run")

    with pytest.raises(EnvironmentProblem, match="run"):
        run_study(letters, table, trials=5, out=tmp_path / "run", on_event=lose_the_folder)


def test_file_of_the_evaluators_own_that_is_missing_keeps_its_error(tmp_path, letters):
    def evaluate(point):
        (tmp_path / "elsewhere" / "table.csv").read_text()

    with pytest.raises(FileNotFoundError):
        run_study(letters, evaluate, out=tmp_path / "run")


def test_opening_what_is_no_run_says_what_is_missing(tmp_path, run):
    with pytest.raises(StudyError, match="there is no such folder"):
        open_run(tmp_path / "nowhere")
    with pytest.raises(StudyError, match=r"it holds no run\.json"):
        open_run(tmp_path)
    (run / "run.json").write_text('{"format": 1, ')
    with pytest.raises(StudyError, match="is damaged"):
        open_run(run)


def test_study_whose_maker_was_killed_before_it_was_described_goes_on(tmp_path, letters, table):
    from nas_edge.study.run_folder import create_or_open

    folder = create_or_open(tmp_path / "run", "run", None)
    optuna.create_study(
        storage=folder.database_url, study_name="run", directions=["maximize", "minimize"]
    )

    assert len(run_study(letters, table, trials=2, out=tmp_path / "run")) == 2


def test_reading_gives_what_optuna_gives(run):
    storage = open_storage(f"sqlite:///{run / 'study.db'}")
    study = optuna.load_study(study_name="run", storage=storage)

    assert list(open_run(run).records) == records_of(study.get_trials())


def test_reading_goes_on_where_optuna_has_other_tables(run):
    storage = open_storage(f"sqlite:///{run / 'study.db'}")
    study = optuna.load_study(study_name="run", storage=storage)

    trials = read_trials(study, object())  # it has no engine

    assert tuple(records_of(trials)) == open_run(run).records


def test_password_is_not_shown():
    assert mask("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert "secret" not in mask("postgresql://me:secret@host:port/db")


needs_root = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root to mount"
)


@pytest.fixture
def small_disk(mount_disk):
    """A file system of 2 MiB."""
    return mount_disk(2)


@needs_root
def test_full_disk_ends_the_study_with_one_line_and_it_goes_on_later(small_disk, spaces):
    run, table = small_disk / "run", spaces[2]()
    filler = small_disk / "filler"

    def evaluate(point):
        if len(table.calls) == 2:
            try:
                with open(filler, "wb") as file:
                    while True:
                        file.write(b"0" * 4096)
                        file.flush()
            except OSError:
                pass
        return table(point)

    with pytest.raises(EnvironmentProblem) as caught:
        run_study(spaces[0](), evaluate, trials=6, out=run, sampler="random")
    assert caught.value.exit_code == 3
    assert one_line(caught.value)
    assert "full" in str(caught.value)
    measured = {path.parent.name for path in run.glob("candidates/*/measurement.json")}
    for path in run.glob("candidates/*/measurement.json"):
        json.loads(path.read_text())

    filler.unlink()
    records = run_study(spaces[0](), table, trials=6, out=run, sampler="random")
    assert [r.number for r in records] == list(range(6))
    assert len(table.calls) == 6 + (1 if len(measured) == 2 else 0)


@needs_root
def test_read_only_folder_can_be_read_and_not_run(run, tmp_path, letters, table):
    place = tmp_path / "read_only"
    place.mkdir()
    bind = subprocess.run(["mount", "--bind", str(run), str(place)], check=False)
    if bind.returncode:
        pytest.skip("cannot mount here")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True)

        assert open_run(place).records == open_run(run).records
        with pytest.raises(EnvironmentProblem, match="cannot be written") as caught:
            run_study(letters, table, trials=5, out=place, name="run", sampler="random")
        assert one_line(caught.value)
        assert table.calls == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_folder_that_cannot_be_made_is_named(tmp_path, letters, table):
    (tmp_path / "file").write_text("")

    with pytest.raises(EnvironmentProblem, match="cannot be written"):
        run_study(letters, table, out=tmp_path / "file" / "run")
