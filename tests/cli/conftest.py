"""Real `nas-edge` processes on a study that takes seconds.

The modules beside this file can be imported by their name.
"""

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))

TINY_SPACE = {
    "name": "tiny",
    "stem": {"width1": 4, "width2": 4},
    "entry": {"width1": [8, 12], "width2": 8, "width3": [8, 12, 16]},
    "middle": {"blocks": [0, 1]},
    "exit": {"width1": 8, "width2": [8, 16], "width3": 8, "width4": [8, 16]},
}
TINY_STUDY = {
    "name": "tiny",
    "space": "tiny_space.yaml",
    "data": {"source": "synthetic-pcb", "synthetic": {"train": 32, "val": 16, "test": 8}},
    "recipe": {"epochs": 2, "batch_size": 8, "image_size": 24},
    "trials": 3,
    "sampler": "random",
}


def environment(**more):
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "120", **more}


class Workplace:
    """A folder with the tiny study, and `nas-edge` in it."""

    environment = staticmethod(environment)

    def __init__(self, folder):
        self.folder = folder
        self.run_folder = folder / "runs" / "tiny"
        self.write()

    def write(self, space=None, **changes):
        study = {**TINY_STUDY, **changes}
        (self.folder / "tiny.yaml").write_text(yaml.safe_dump(study))
        (self.folder / "tiny_space.yaml").write_text(
            yaml.safe_dump({**TINY_SPACE, **(space or {})})
        )

    def start(self, *arguments, code=None, **more):
        """Start a process group; ``code`` runs before the command line does."""
        start = ["-c", f"{code}\nfrom nas_edge.cli.main import main\nmain(prog_name='nas-edge')"]
        return subprocess.Popen(
            [sys.executable, *(start if code else ["-m", "nas_edge"]), *map(str, arguments)],
            cwd=self.folder,
            env=environment(**more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def call(self, *arguments, code=None, timeout=120, **more):
        """Return exit code, output and error text."""
        process = self.start(*arguments, code=code, **more)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            process.kill()
        return process.returncode, out, err

    def trials(self):
        import optuna

        path = (self.run_folder / "study.db").resolve()
        return optuna.load_study(study_name=None, storage=f"sqlite:///{path}").get_trials()


@pytest.fixture
def workplace(tmp_path):
    return Workplace(tmp_path)


@pytest.fixture(scope="session")
def make_workplace():
    return Workplace


@pytest.fixture(scope="session")
def finished(tmp_path_factory, made_once):
    """A finished run of the tiny study; not to be changed."""

    def make(folder):
        code, out, err = Workplace(folder).call("run", "tiny.yaml")
        assert code == 0, err
        (folder / "out.txt").write_text(out, encoding="utf-8")

    made = made_once("finished_run", make)
    place = Workplace(tmp_path_factory.mktemp("finished"))
    shutil.copytree(made / "runs", place.folder / "runs")
    place.out = (made / "out.txt").read_text(encoding="utf-8")
    place.names = {path.name for path in place.run_folder.iterdir()}  # before anybody reads it
    return place


@pytest.fixture(scope="session")
def copy_of_finished(finished, tmp_path_factory):
    """Return a function: a workplace whose run has three candidates, to go on with."""

    def copy():
        place = Workplace(tmp_path_factory.mktemp("copy"))
        shutil.copytree(finished.run_folder, place.run_folder)
        return place

    return copy


@pytest.fixture(scope="session")
def real_events(copy_of_finished, made_once):
    """What a real study tells its listener while it trains its fourth and fifth candidate."""
    from nas_edge import load_study_config, run_training_study

    def make(folder):
        place = copy_of_finished()
        config, path = load_study_config(str(place.folder / "tiny.yaml"), {"trials": 5})
        events = []
        run_training_study(
            config, out=place.run_folder, beside=path.parent, device="cpu", on_event=events.append
        )
        (folder / "events.pickle").write_bytes(pickle.dumps(events))

    return pickle.loads((made_once("real_events", make) / "events.pickle").read_bytes())


@pytest.fixture(scope="session")
def made_up_records():
    """Return a function: records of made-up candidates whose results a function of a, b gives.

    The first two are handcrafted; the others are drawn from 64 points, each at most once.
    """
    import random

    from nas_edge.study.records import TrialRecord

    def make(evaluate, trials=20):
        points = [(4, 4), (7, 7)]
        others = [(a, b) for a in range(8) for b in range(8) if (a, b) not in points]
        points += random.Random(0).sample(others, trials - len(points))
        names = ["xception-lite", "xception", *[None] * trials]
        return [
            TrialRecord(number, f"a{a}b{b}", {"a": a, "b": b}, names[number], evaluate(a, b))
            for number, (a, b) in enumerate(points)
        ]

    return make
