"""Notes and plots in a real storage: what is written, what is left alone, and beside whom."""

import json
import sqlite3
import threading

import pytest

from nas_edge import open_run
from nas_edge.dashboard.study_note import KEPT_BELOW
from nas_edge.dashboard.target import find_target, open_studies, open_target
from nas_edge.dashboard.watching import POLL_S, REST, Watcher
from nas_edge.dashboard.writing import Notebook, _NotedTrial

dashboard = pytest.importorskip("optuna_dashboard")


def note_of(study, number):
    trial_id = study.get_trials(deepcopy=False)[number]._trial_id
    return dashboard.get_note(_NotedTrial(study._storage, study, trial_id))


def plots_of(study):
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    found = get_plotly_graph_objects(study._storage.get_study_system_attrs(study._study_id))
    return {name: json.loads(text) for name, text in found.items()}


def attributes(study):
    return study._storage.get_study_system_attrs(study._study_id)


def test_study_and_trials_get_their_notes_and_plots(opened, run_folder):
    assert Notebook(opened, artifacts=run_folder / "artifacts").update()

    assert "## The front" in dashboard.get_note(opened)
    for trial in opened.get_trials(deepcopy=False):
        assert "## " in note_of(opened, trial.number)
    assert plots_of(opened)["memory-by-part"]["layout"]["title"]["text"].startswith("Memory")


def test_trial_note_shows_the_curve_that_the_dashboard_serves(opened, run_folder):
    Notebook(opened, artifacts=run_folder / "artifacts").update()
    finished = next(r for r in open_run(run_folder).records if r.measurement.is_finished)

    url = note_of(opened, finished.number).partition("![accuracy and memory by epoch](")[2]
    artifact = url.partition(")")[0].rpartition("/")[2]

    assert (run_folder / "artifacts" / artifact).read_bytes().startswith(b"\x89PNG")


def test_second_update_writes_nothing(opened):
    notebook = Notebook(opened)
    notebook.update()
    before = attributes(opened)

    assert notebook.update()
    assert attributes(opened) == before
    # Nor does another dashboard, later.
    assert Notebook(opened).update()
    assert attributes(opened) == before


def test_what_readers_write_is_kept(opened):
    Notebook(opened).update()
    trial_id = opened.get_trials(deepcopy=False)[3]._trial_id
    dashboard.save_note(_NotedTrial(opened._storage, opened, trial_id), "mine")
    dashboard.save_note(opened, dashboard.get_note(opened) + "\n\nmine too")

    Notebook(opened, "another/place").update()

    assert note_of(opened, 3) == "mine"
    assert dashboard.get_note(opened).endswith(f"{KEPT_BELOW}\n\nmine too")
    assert "another" in dashboard.get_note(opened)


@pytest.mark.parametrize(
    "edited",
    [
        lambda note: "# My lab notes\n\nan important finding",
        lambda note: note.replace(KEPT_BELOW, "below: mine") + "\n\nan important finding",
    ],
    ids=["a note of one's own", "without the line"],
)
def test_a_note_without_the_line_is_kept_whole_and_once(opened, edited):
    Notebook(opened).update()
    mine = edited(dashboard.get_note(opened))
    dashboard.save_note(opened, mine)

    Notebook(opened, "another/place").update()
    Notebook(opened, "a/third/place").update()

    note = dashboard.get_note(opened)
    assert note.endswith(f"{KEPT_BELOW}\n\n{mine}")
    assert note.count("an important finding") == 1
    assert "a/third" in note.replace("\\", "")


def test_what_a_reader_saves_while_the_note_is_made_is_kept(opened, monkeypatch):
    from nas_edge.dashboard import writing

    def study_note(snapshot):
        dashboard.save_note(opened, f"{KEPT_BELOW}\n\nmine")  # a browser, meanwhile
        return "the new note"

    monkeypatch.setattr(writing, "study_note", study_note)
    Notebook(opened).update()

    assert dashboard.get_note(opened).endswith(f"{KEPT_BELOW}\n\nmine")


def test_task_and_frontier_are_those_of_the_study_file(run_folder):
    (run_folder / "study.yaml").write_text(
        "description: Two kinds.\naccuracy_frontier: 0.8\ndata: {source: folder, path: /d/pcb}\n"
    )
    target = find_target(str(run_folder))

    assert target.task == "Two kinds. images: folder /d/pcb"
    assert target.accuracy_frontier == 0.8


def test_update_that_runs_out_of_time_goes_on_with_the_front_first(opened, snapshot):
    from nas_edge.study.records import front_of

    front = front_of(snapshot.records, snapshot.objectives)
    notebook = Notebook(opened)
    assert not notebook.update(until=0.0)  # the study's own note, and no trial's

    assert "## The front" in dashboard.get_note(opened)
    assert not any(note_of(opened, record.number) for record in front)
    assert notebook.update()
    assert all(note_of(opened, record.number) for record in front)


def test_infeasible_candidates_are_marked_as_the_dashboard_reads_it(opened, snapshot):
    by_number = {record.number: record for record in snapshot.records}

    for trial in opened.get_trials(deepcopy=False):
        if trial.state.name == "COMPLETE":
            (violation,) = trial.system_attrs["constraints"]
            assert (violation > 0) == by_number[trial.number].measurement.is_infeasible


def test_study_goes_on_as_if_nobody_watched(made_run, make_run, tmp_path):
    """The same study, watched all the time and not, gives the same trials in a sound file."""
    alone = open_run(made_run).records[:8]
    done = threading.Event()
    folder = make_run(tmp_path / "counted", trials=1)
    target = find_target(str(folder))
    storage = open_target(target)
    notebook = Notebook(open_studies(target, storage)[0], str(folder))
    watcher = Watcher([notebook], target.url, done.set, lambda _: done.set(), poll_s=0.01)

    def update_all_the_time():
        while not done.is_set():
            watcher.update()

    thread = threading.Thread(target=update_all_the_time)
    thread.start()
    try:
        make_run(folder, trials=8)
    finally:
        done.set()
        thread.join()
    watcher.update()

    watched = open_run(folder).records
    assert [r.point for r in watched] == [r.point for r in alone]
    assert [r.measurement.metrics for r in watched] == [r.measurement.metrics for r in alone]
    assert all(note_of(notebook.study, record.number) for record in watched)
    storage.engine.dispose()
    with sqlite3.connect(str(folder / "study.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_watching_takes_less_than_a_hundredth_of_a_core():
    # An update of any length is followed by a rest of REST times that.
    assert all(used / (used + max(POLL_S, REST * used)) < 0.01 for used in (0.001, 0.04, 1, 60))


def test_watcher_writes_what_is_new(opened, run_folder, wait_for):
    url = find_target(str(run_folder)).url
    watcher = Watcher([Notebook(opened)], url, None, None, poll_s=0.01)
    watcher.start()

    assert wait_for(lambda: "## The front" in dashboard.get_note(opened))
    watcher.stop()


def test_storage_that_goes_away_ends_the_watch(opened, run_folder, wait_for):
    lost = threading.Event()
    url = find_target(str(run_folder)).url
    watcher = Watcher([Notebook(opened)], url, lost.set, None, poll_s=0.01)
    (run_folder / "study.db").unlink()

    watcher.start()

    assert lost.wait(20)
    assert "study.db: the storage is gone" in str(watcher.error)
    watcher.stop()
