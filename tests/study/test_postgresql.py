"""Two real workers on one real PostgreSQL, each with a folder of its own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import optuna
import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("psycopg2") is None, reason="psycopg2 is not installed"),
]

# Takes folder, URL, trials and seconds a candidate; prints every point that it evaluates.
WORKER = """
import sys, time
sys.path.insert(0, {tests!r})
from conftest import ReferenceSpace, Table
from nas_edge import run_study
folder, url, trials, seconds = sys.argv[1:]
def evaluate(point):
    print(point["a"], point["b"], flush=True)
    time.sleep(float(seconds))
    return Table.result(point)
records = run_study(ReferenceSpace(size={size}), evaluate, trials=int(trials), out=folder,
                    name="fleet", storage=url, sampler="random")
print("records", len(records))
"""


def find_tool(name):
    there = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(there[-1]) if there else None)


@pytest.fixture(scope="module")
def server():
    """The URL of a PostgreSQL server of our own."""
    initdb, pg_ctl = find_tool("initdb"), find_tool("pg_ctl")
    if not initdb or not pg_ctl:
        pytest.skip("PostgreSQL is not installed")
    # Not under pytest's folders: those are closed to the user that the server runs as.
    folder = Path(tempfile.mkdtemp(prefix="nas_edge_pg_"))
    as_user = []
    if os.geteuid() == 0:  # the server refuses to run as root
        if shutil.which("setpriv") is None or subprocess.call(["id", "-u", "postgres"]):
            pytest.skip("no user that PostgreSQL could run as")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        shutil.chown(folder, "postgres", "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, options = str(folder / "data"), f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"
    quiet = {"check": True, "cwd": "/", "stdout": subprocess.DEVNULL}
    subprocess.run([*as_user, initdb, "-D", data, "-A", "trust", "-U", "me"], **quiet)
    log = str(folder / "log")
    subprocess.run([*as_user, pg_ctl, "-D", data, "-o", options, "-l", log, "-w", "start"], **quiet)
    yield f"postgresql://me@127.0.0.1:{port}"
    subprocess.run([*as_user, pg_ctl, "-D", data, "-m", "immediate", "stop"], **quiet)
    shutil.rmtree(folder)


@pytest.fixture
def database(server, request):
    import psycopg2

    name = "db_" + str(abs(hash(request.node.name)))
    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    connection.cursor().execute(f"CREATE DATABASE {name}")
    connection.close()
    return f"{server}/{name}"


def start_worker(folder, url, trials, seconds, size=6):
    tests = Path(__file__).resolve().parent
    code = WORKER.format(tests=str(tests), size=size)
    path = os.pathsep.join([str(tests.parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-c", code, str(folder), url, str(trials), str(seconds)],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return [line for line in out.splitlines() if not line.startswith("records")]


def load(url):
    from nas_edge.study.storage import check_url

    return optuna.load_study(study_name="fleet", storage=check_url(url)).get_trials()


def measured(trials):
    return [
        t
        for t in trials
        if "nas_edge:measurement" in t.user_attrs and "nas_edge:duplicate_of" not in t.user_attrs
    ]


def test_two_workers_share_the_trials_and_evaluate_no_point_twice(database, tmp_path):
    workers = [start_worker(tmp_path / name, database, 14, 0.3) for name in ("one", "two")]
    evaluated = [end(worker) for worker in workers]

    both = evaluated[0] + evaluated[1]
    assert len(both) == len(set(both)) == 14
    assert all(evaluated)
    trials = load(database)
    assert len(measured(trials)) == 14
    assert not [t for t in trials if t.state.name in ("RUNNING", "WAITING")]
    names = [t.user_attrs.get("nas_edge:reference") for t in measured(trials)]
    assert sorted(filter(None, names)) == ["xception", "xception-lite"]


def test_two_workers_exhaust_a_small_space_without_a_double(database, tmp_path):
    workers = [start_worker(tmp_path / name, database, 50, 0.1, size=4) for name in ("one", "two")]
    both = [point for worker in workers for point in end(worker)]

    assert sorted(both) == sorted(f"{a} {b}" for a in range(4) for b in range(4))


def test_worker_leaves_another_ones_cut_off_trial_alone_and_its_own_run_takes_it_up(
    database, tmp_path
):
    first = start_worker(tmp_path / "one", database, 8, 60)
    point = first.stdout.readline().strip()
    first.send_signal(signal.SIGKILL)
    first.communicate()

    second = end(start_worker(tmp_path / "two", database, 8, 0))
    running = [t for t in load(database) if t.state.name == "RUNNING"]
    worker = json.loads((tmp_path / "one" / "run.json").read_text())["worker"]
    assert [t.user_attrs["nas_edge:worker"] for t in running] == [worker]
    assert len(measured(load(database))) == 7
    assert point not in second

    assert end(start_worker(tmp_path / "one", database, 8, 0)) == [point]
    assert len(measured(load(database))) == 8


def test_server_that_goes_away_ends_the_study_with_one_line(server, tmp_path, spaces):
    """Here a relay goes away, so that the server stays for the other tests."""
    import psycopg2

    from nas_edge import run_study
    from nas_edge.errors import EnvironmentProblem

    connection = psycopg2.connect(f"{server}/postgres")
    connection.autocommit = True
    connection.cursor().execute("CREATE DATABASE gone")
    url, table = f"{server}/gone", spaces[2]()

    def evaluate(point):
        if len(table.calls) == 1:
            cursor = connection.cursor()
            cursor.execute("ALTER DATABASE gone WITH ALLOW_CONNECTIONS false")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'gone'"
            )
            time.sleep(0.2)
        return table(point)

    options = {"trials": 4, "out": tmp_path / "run", "name": "fleet", "sampler": "random"}
    with pytest.raises(EnvironmentProblem, match="nothing finished is lost") as caught:
        run_study(spaces[0](), evaluate, storage=url, **options)
    assert "\n" not in str(caught.value)

    connection.cursor().execute("ALTER DATABASE gone WITH ALLOW_CONNECTIONS true")
    connection.close()
    records = run_study(spaces[0](), table, storage=url, **options)
    assert len(records) == len(table.calls) == 4
