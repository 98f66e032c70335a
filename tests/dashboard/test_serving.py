"""Real `nas-edge dashboard` processes: what they serve, to whom, and how they end."""

import json
import os
import signal
import socket
import urllib.error
import urllib.request

import pytest

pytest.importorskip("optuna_dashboard")


def get(url, **headers):
    """Return status and body."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, err.read()


@pytest.fixture
def taken_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_dashboard_serves_study_and_artifacts_and_ends_cleanly(serve, run_folder, number):
    served = serve(run_folder).wait_until_ready()
    assert served.url.startswith("http://127.0.0.1:")
    assert served.url.endswith("/dashboard/studies/1/note")

    status, body = get(f"{served.base}/api/studies/1")
    study = json.loads(body)
    assert status == 200
    assert "The front" in study["note"]["body"]
    assert study["objective_names"] == ["val_accuracy", "peak_memory"]
    assert {one["id"] for one in study["plotly_graph_objects"]} >= {"front", "importance"}
    trial = next(t for t in study["trials"] if len(t["artifacts"]) == 3)
    names = {one["filename"]: one["artifact_id"] for one in trial["artifacts"]}
    assert set(names) == {"architecture.yaml", "curve.png", "history.csv"}
    picture = get(f"{served.base}/artifacts/1/{trial['trial_id']}/{names['curve.png']}")[1]
    assert picture.startswith(b"\x89PNG")

    code, err = served.end(number)
    assert (code, err) == (0, "dashboard: ended\n")
    assert not (run_folder / "study.db-wal").exists()


def test_web_pages_of_others_are_turned_away(serve, run_folder):
    served = serve(run_folder).wait_until_ready()
    page = f"{served.base}/dashboard"

    assert get(page)[0] == 200
    assert get(page, Host="localhost:9999")[0] == 200  # through a tunnel
    assert get(page, Host="evil.example")[0] == 403
    assert get(page, Origin="http://evil.example")[0] == 403
    assert get(page, Host="[")[0] == 403
    assert get(page, Origin="http://[")[0] == 403


def test_taken_port_is_refused_if_asked_for_and_passed_over_if_not(serve, run_folder, taken_port):
    code, err = serve(run_folder, "--port", taken_port).wait()
    assert code == 3
    assert err == (
        f"nas-edge: error: --port {taken_port}: is taken; use another one, or leave --port out "
        "for a free one\n"
    )
    default = f"import nas_edge.dashboard.server as s; s.PORT = {taken_port}"
    served = serve(run_folder, code=default).wait_until_ready()
    assert f":{taken_port}/" not in served.url
    assert get(served.url)[0] == 200


def test_other_host_says_what_it_exposes(serve, run_folder):
    served = serve(run_folder, "--host", "0.0.0.0").wait_until_ready()

    assert get(served.url, Host="a-name-of-this-machine")[0] == 200
    code, err = served.end(signal.SIGINT)
    assert code == 0
    assert err.startswith("everyone who reaches 0.0.0.0:")
    assert "no login" in err
    assert "delete" in err


def test_second_dashboard_serves_too_and_leaves_the_notes_to_the_first(serve, run_folder):
    first = serve(run_folder).wait_until_ready()
    second = serve(run_folder).wait_until_ready()

    assert get(first.url)[0] == get(second.url)[0] == 200
    assert "another dashboard keeps the notes" in second.end(signal.SIGINT)[1]


def test_storage_url_shows_every_study_in_it(serve, run_folder):
    url = f"sqlite:///{run_folder / 'study.db'}"

    served = serve(url).wait_until_ready()

    assert "The front" in json.loads(get(f"{served.base}/api/studies/1")[1])["note"]["body"]


def test_read_only_run_is_shown_as_it_is(serve, run_folder):
    code = "import os; access = os.access; os.access = lambda p, m: m != os.W_OK and access(p, m)"

    served = serve(run_folder, code=code).wait_until_ready()

    assert json.loads(get(f"{served.base}/api/studies/1")[1])["note"]["body"] == ""
    assert "can be read only" in served.end(signal.SIGINT)[1]


def test_storage_that_goes_away_ends_it_with_one_line(serve, run_folder):
    fast = (
        "import nas_edge.dashboard.watching as w; w.REST = 1;"
        "w.Watcher.__init__.__defaults__ = (0.1,)"
    )
    served = serve(run_folder, code=fast).wait_until_ready()

    os.remove(run_folder / "study.db")

    code, err = served.wait()
    assert code == 3
    assert err == (
        f"nas-edge: error: {run_folder / 'study.db'}: the storage is gone; put it back and start "
        "the dashboard again\n"
    )


@pytest.mark.parametrize(
    ("make", "exit_code", "says"),
    [
        (lambda folder: folder / "nothing", 2, "must be the folder of a run"),
        (lambda folder: "sqlite:////nowhere/study.db", 2, "no such file"),
        (lambda folder: "nonsense://x", 2, "must be of a database that SQLAlchemy knows"),
    ],
)
def test_what_cannot_be_shown_is_said_in_one_line(serve, run_folder, make, exit_code, says):
    code, err = serve(make(run_folder)).wait()

    assert code == exit_code
    assert says in err
    assert err.count("\n") == 1


def test_missing_extra_names_the_command_that_installs_it(serve, run_folder):
    code, err = serve(run_folder, code="import sys; sys.modules['optuna_dashboard'] = None").wait()

    assert code == 2
    assert err == (
        'nas-edge: error: the dashboard needs optuna-dashboard; pip install "nas-edge[dashboard]"\n'
    )
