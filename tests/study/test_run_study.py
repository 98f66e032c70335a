"""run_study with known results in training's place: the loop itself, on real SQLite storages."""

import csv
import itertools
import random
from importlib.util import find_spec

import optuna
import pytest

from nas_edge import Measurement, open_run, run_study
from nas_edge.candidate.measurement import Metric
from nas_edge.config.study import SamplerConfig
from nas_edge.errors import ConfigError, SpaceError

SAMPLERS = ("tpe", "nsga2", "nsga3", pytest.param("gp", marks=pytest.mark.slow), "random", "grid")


def trials_of(run):
    path = (run / "study.db").resolve()
    return optuna.load_study(study_name=None, storage=f"sqlite:///{path}").get_trials()


def points(run):
    """The sequence of points that Optuna suggested, copies included."""
    return [tuple(sorted(trial.params.items())) for trial in trials_of(run)]


def notes_into(notes):
    return lambda event: notes.append(event["text"]) if event["event"] == "note" else None


def brute_force_front(records):
    pairs = [(r.value("val_accuracy"), r.value("peak_memory")) for r in records]
    return {
        pair
        for pair in pairs
        if not any(o[0] >= pair[0] and o[1] <= pair[1] and o != pair for o in pairs)
    }


def test_study_over_a_space_with_nothing_but_suggest_contains_and_key(tmp_path, letters, table):
    records = run_study(letters, table, trials=7, out=tmp_path / "run", sampler="random")

    assert len(records) == len(table.calls) == 7
    run = open_run(tmp_path / "run")
    assert [r.number for r in run.records] == [r.number for r in records]
    front = {(r.value("val_accuracy"), r.value("peak_memory")) for r in run.front()}
    assert front == brute_force_front(records)
    assert [r.point for r in records] == [dict(zip("ab", pair)) for pair in table.calls]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_finds_every_point_once_and_ends_with_a_note(tmp_path, spaces, sampler):
    if sampler == "gp" and find_spec("scipy") is None:
        pytest.skip("gp needs SciPy")
    table, notes = spaces[2](), []
    config = SamplerConfig(name=sampler, startup_trials=7, population=4)
    space = spaces[1](3)
    space.references = {"xception": {"a": 2, "b": 2}}

    records = run_study(
        space,
        table,
        trials=50,
        out=tmp_path / "run",
        sampler=config,
        on_event=notes_into(notes),
    )

    assert sorted(table.calls) == list(itertools.product(range(3), repeat=2))
    assert len(records) == 9
    assert notes == ["every point of the space has been tried"]


def test_grid_visits_each_point_without_a_repeat(tmp_path, spaces):
    _, with_references, make_table = spaces
    space, table = with_references(3), make_table()
    space.references = {}

    run_study(space, table, trials=9, out=tmp_path / "run", sampler="grid")

    assert len(set(points(tmp_path / "run"))) == len(points(tmp_path / "run")) == 9


def test_grid_refuses_a_space_that_is_too_large(tmp_path, spaces, table):
    space = spaces[1](size=101)

    with pytest.raises(ConfigError, match=r"10,000 points, but this one has 10,201"):
        run_study(space, table, out=tmp_path / "run", sampler="grid")
    assert table.calls == []


def test_grid_refuses_a_space_without_listed_choices(tmp_path, letters, table):
    with pytest.raises(ConfigError, match="searched"):
        run_study(letters, table, out=tmp_path / "run", sampler="grid")


def test_unknown_sampler_is_refused_by_name(tmp_path, letters, table):
    with pytest.raises(ConfigError, match=r"name must be .*'tpe'.*but got \"cmaes\""):
        run_study(letters, table, out=tmp_path / "run", sampler="cmaes")


def test_references_are_evaluated_first_under_their_names(tmp_path, with_references, table):
    records = run_study(with_references, table, trials=5, out=tmp_path / "run")

    assert table.calls[:2] == [(3, 3), (2, 2)]
    assert [r.reference for r in records] == ["xception", "xception-lite", None, None, None]


def test_references_are_not_enqueued_again_by_a_resume(tmp_path, with_references, table):
    for trials in (1, 2, 4):
        run_study(with_references, table, trials=trials, out=tmp_path / "run")

    assert table.calls.count((3, 3)) == table.calls.count((2, 2)) == 1
    assert [t.user_attrs.get("nas_edge:reference") for t in trials_of(tmp_path / "run")] == [
        "xception",
        "xception-lite",
        None,
        None,
    ]


def test_reference_added_later_names_the_candidate_that_has_its_point(tmp_path, spaces, table):
    space = spaces[1](2)
    space.references = {"xception": {"a": 1, "b": 1}}
    run_study(space, table, trials=4, out=tmp_path / "run", sampler="random")
    space.references = {**space.references, "xception-lite-text": {"a": 0, "b": 1}}

    records = run_study(space, table, trials=5, out=tmp_path / "run", sampler="random")

    assert len(table.calls) == 4
    (named,) = [r for r in records if r.reference == "xception-lite-text"]
    assert named.point == {"a": 0, "b": 1}
    assert open_run(tmp_path / "run").reference("xception-lite-text").number == named.number


def test_repeats_are_told_as_copies_and_are_no_candidates(tmp_path, spaces, table):
    space = spaces[0](size=2)

    records = run_study(space, table, trials=4, out=tmp_path / "run", sampler="random")

    trials = trials_of(tmp_path / "run")
    copies = [t for t in trials if "nas_edge:duplicate_of" in t.user_attrs]
    assert len(records) == len(table.calls) == len(set(table.calls)) == 4
    assert len(trials) == 4 + len(copies)
    assert copies, "the seed gives no repeat: choose another"
    for copy in copies:
        original = trials[copy.user_attrs["nas_edge:duplicate_of"]]
        assert copy.values == original.values
        assert copy.params == original.params


def test_space_of_one_point_ends_with_a_note(tmp_path, spaces, table):
    notes = []

    records = run_study(
        spaces[0](size=1), table, trials=5, out=tmp_path / "run", on_event=notes_into(notes)
    )

    assert len(records) == len(table.calls) == 1
    assert notes == ["every point of the space has been tried"]


@pytest.mark.parametrize(
    "objectives", [("val_accuracy",), ("params", "params"), ("a", "b", "c", "d")]
)
def test_one_four_or_equal_objectives_are_refused(tmp_path, letters, table, objectives):
    with pytest.raises(ConfigError, match="two or three different names"):
        run_study(letters, table, objectives=objectives, out=tmp_path / "run")


def test_evaluator_that_leaves_an_objective_out_is_told_so(tmp_path, letters):
    with pytest.raises(SpaceError, match="must measure peak_memory, but gave val_accuracy"):
        run_study(letters, lambda p: Measurement.of(val_accuracy=0.5), out=tmp_path / "run")


def test_evaluator_that_returns_something_else_is_told_so(tmp_path, letters):
    with pytest.raises(SpaceError, match=r"must return a Measurement, but gave 0.5"):
        run_study(letters, lambda p: 0.5, out=tmp_path / "run")


def test_point_that_is_no_plain_data_is_refused(tmp_path, spaces, table):
    class Objects(spaces[0]):
        def suggest(self, trial):
            return {**super().suggest(trial), "c": object()}

    with pytest.raises(SpaceError, match=r"must be plain data.*to_json"):
        run_study(Objects(), table, out=tmp_path / "run")


def test_evaluator_with_bind_gets_number_seed_and_folder(tmp_path, spaces):
    jobs = []

    class Bound(spaces[2]):
        def bind(self, job):
            jobs.append(job)
            return self

    for _ in range(2):
        run_study(spaces[0](), Bound(), trials=3, out=tmp_path / "run", sampler="random")

    assert [job.number for job in jobs] == [0, 1, 2]
    assert len({job.seed for job in jobs}) == 3
    assert jobs[1].folder == tmp_path / "run" / "candidates" / "0001"


@pytest.fixture(scope="module")
def nasbench(repository):
    file = repository.parent / "shared" / "data" / "nasbench201" / "nb201_cifar10.csv"
    if not file.exists():
        pytest.skip(f"no table of known results at {file}")
    with open(file, newline="") as opened:
        return list(csv.DictReader(opened))


def test_table_of_known_results_stands_in_for_training(tmp_path, nasbench):
    edges = [f"edge{i}" for i in range(6)]
    known = {tuple(row[e] for e in edges): row for row in nasbench}
    operations = sorted({row["edge0"] for row in nasbench})
    assert len(known) == len(operations) ** 6 == 15625

    class Cells:
        def suggest(self, trial):
            return {e: trial.suggest_categorical(e, operations) for e in edges}

        def contains(self, point):
            return tuple(point[e] for e in edges) in known

        def key(self, point):
            return "|".join(point[e] for e in edges)

    def look_up(point):
        row = known[tuple(point[e] for e in edges)]
        accuracy, latency = float(row["accuracy"]) / 100, float(row["raspi4_latency_ms"])
        return Measurement(
            metrics={
                "val_accuracy": Metric(accuracy, "share", "NAS-Bench-201"),
                "params": Metric(float(row["params"]), "count", "NAS-Bench-201"),
                "latency": Metric(latency, "ms", "Raspberry Pi 4"),
            }
        )

    records = run_study(
        Cells(), look_up, objectives=("val_accuracy", "params"), trials=15, out=tmp_path / "run"
    )

    assert len({r.key for r in records}) == 15
    for record in random.Random(0).sample(records, 5):
        row = known[tuple(record.point[e] for e in edges)]
        assert record.value("val_accuracy") == pytest.approx(float(row["accuracy"]) / 100)
    pairs = [(-r.value("val_accuracy"), r.value("params")) for r in records]
    best = [p for p in pairs if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in pairs)]
    front = open_run(tmp_path / "run").front()
    assert sorted((-r.value("val_accuracy"), r.value("params")) for r in front) == sorted(best)
