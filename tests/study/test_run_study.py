"""run_study with known results in training's place: the loop itself, on real SQLite storages."""

import csv
import itertools
import random
from importlib.util import find_spec

import optuna
import pytest

from nas_edge import Measurement, NasEdgeError, open_run, run_study
from nas_edge.candidate.measurement import CRASHED, DIVERGED, OUT_OF_MEMORY, OVER_LIMIT, Metric
from nas_edge.config.study import SamplerConfig
from nas_edge.errors import ConfigError, SpaceError, StudyError

SAMPLERS = ("tpe", "nsga2", "nsga3", "gp", "random", "grid")


def points(run):
    """The sequence of points that Optuna suggested, copies included."""
    return [tuple(sorted(trial.params.items())) for trial in trials_of(run)]


def trials_of(run):
    path = (run / "study.db").resolve()
    return optuna.load_study(study_name=None, storage=f"sqlite:///{path}").get_trials()


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
    space, table = with_references(), make_table()
    space.references = {}

    run_study(space, table, trials=16, out=tmp_path / "run", sampler="grid")

    assert len(set(points(tmp_path / "run"))) == len(points(tmp_path / "run")) == 16


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
    space = spaces[1]()
    run_study(space, table, trials=16, out=tmp_path / "run", sampler="random")
    space.references = {**space.references, "xception-lite-text": {"a": 0, "b": 1}}

    records = run_study(space, table, trials=17, out=tmp_path / "run", sampler="random")

    assert len(table.calls) == 16
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


def test_same_seed_gives_the_same_points_and_another_seed_others(tmp_path, spaces):
    sequences = []
    for index, seed in enumerate((5, 5, 6)):
        run_study(spaces[0](6), spaces[2](), trials=6, out=tmp_path / str(index), seed=seed)
        sequences.append(points(tmp_path / str(index)))

    assert sequences[0] == sequences[1]
    assert sequences[0] != sequences[2]


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_interrupted_study_goes_on_with_the_points_of_an_uninterrupted_one(
    tmp_path, spaces, sampler
):
    space = spaces[1](3)
    space.references = {"xception": {"a": 1, "b": 2}}
    config = SamplerConfig(name=sampler, startup_trials=3, population=3)
    run_study(space, spaces[2](), trials=8, out=tmp_path / "whole", sampler=config, name="s")

    cuts = iter([0, 2, 1, 3])
    calls = []
    while True:
        table = spaces[2](fail_at=next(cuts, None))
        try:
            run_study(space, table, trials=8, out=tmp_path / "cut", sampler=config, name="s")
        except KeyboardInterrupt:
            calls += table.calls
            continue
        calls += table.calls
        break

    assert points(tmp_path / "cut") == points(tmp_path / "whole")
    assert len(calls) == len(set(calls)) == 8


class CutSpace:
    """Six choices; a suggestion can be cut off after some of them."""

    def __init__(self, cut_after=None):
        self.cut_after = cut_after
        self.suggested = 0

    def suggest(self, trial):
        point = {}
        for name in "abcdef":
            if isinstance(trial, optuna.Trial) and self.suggested == self.cut_after:
                raise KeyboardInterrupt
            point[name] = trial.suggest_categorical(name, [0, 1, 2, 3])
            self.suggested += isinstance(trial, optuna.Trial)
        return point

    def contains(self, point):
        return True

    def key(self, point):
        return "".join(str(point[name]) for name in "abcdef")


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_study_cut_off_between_two_choices_goes_on_with_the_same_point(tmp_path, spaces, sampler):
    config = SamplerConfig(name=sampler, startup_trials=3, population=4)
    options = {"trials": 8, "sampler": config, "name": "s"}
    run_study(CutSpace(), spaces[2](), out=tmp_path / "whole", **options)

    for cut in (3, 8, 11, 5):
        with pytest.raises(KeyboardInterrupt):
            run_study(CutSpace(cut), spaces[2](), out=tmp_path / "cut", **options)
    run_study(CutSpace(), spaces[2](), out=tmp_path / "cut", **options)

    assert points(tmp_path / "cut") == points(tmp_path / "whole")


def test_cut_off_trial_goes_on_under_its_number_even_if_enough_are_there(tmp_path, spaces):
    space = spaces[0](5)
    with pytest.raises(KeyboardInterrupt):
        run_study(space, spaces[2](fail_at=3), trials=8, out=tmp_path / "run", sampler="random")
    assert [t.state.name for t in trials_of(tmp_path / "run")][-1] == "RUNNING"

    records = run_study(space, spaces[2](), trials=2, out=tmp_path / "run", sampler="random")

    assert [r.number for r in records] == [0, 1, 2, 3]
    assert {t.state.name for t in trials_of(tmp_path / "run")} == {"COMPLETE"}


def test_measured_but_untold_trial_is_told_and_not_evaluated_again(
    tmp_path, spaces, table, monkeypatch
):
    from nas_edge.study import engine

    told = engine.tell

    def cut_before_third(session, trial, measurement):
        if trial.number == 2:
            raise KeyboardInterrupt
        told(session, trial, measurement)

    monkeypatch.setattr(engine, "tell", cut_before_third)
    space = spaces[0](5)
    with pytest.raises(KeyboardInterrupt):
        run_study(space, table, trials=5, out=tmp_path / "run", sampler="random")
    monkeypatch.undo()
    assert (tmp_path / "run/candidates/0002/measurement.json").exists()

    records = run_study(space, table, trials=5, out=tmp_path / "run", sampler="random")

    assert len(table.calls) == len(records) == 5
    storage = optuna.storages.RDBStorage(f"sqlite:///{(tmp_path / 'run/study.db').resolve()}")
    trial = trials_of(tmp_path / "run")[2]
    names = [m.filename for m in optuna.artifacts.get_all_artifact_meta(trial, storage=storage)]
    assert names == ["architecture.yaml"]


def test_measurement_of_another_recipe_is_not_taken_over(tmp_path, spaces):
    """The storage was deleted, the folders of candidates stay, and the recipe is another."""
    first, second, third = spaces[2](), spaces[2](), spaces[2]()
    options = {"trials": 3, "out": tmp_path / "run", "sampler": "random"}
    run_study(spaces[0](), first, identity={"recipe": {"epochs": 1}}, **options)
    for file in (tmp_path / "run").glob("study.db*"):
        file.unlink()

    run_study(spaces[0](), second, identity={"recipe": {"epochs": 2}}, **options)
    assert len(second.calls) == 3

    for file in (tmp_path / "run").glob("study.db*"):
        file.unlink()
    run_study(spaces[0](), third, identity={"recipe": {"epochs": 2}}, **options)
    assert third.calls == []


def test_raising_trials_goes_on(tmp_path, spaces, table):
    space = spaces[0](5)
    run_study(space, table, trials=3, out=tmp_path / "run")

    records = run_study(space, table, trials=6, out=tmp_path / "run")

    assert len(records) == len(table.calls) == 6


def infeasible(point, kind=OVER_LIMIT):
    return Measurement(
        outcome=kind,
        reason="needs 900.0 MiB of training memory, more than the limit of 500.0 MiB",
        details={"needs_bytes": 900 * 2**20, "violation": 0.8},
    )


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
@pytest.mark.parametrize("kind", [OVER_LIMIT, OUT_OF_MEMORY])
def test_infeasible_trial_carries_a_constraint_and_reaches_no_front(
    tmp_path, spaces, table, sampler, kind
):
    def evaluate(point):
        return infeasible(point, kind) if point["a"] == 3 else table(point)

    records = run_study(spaces[0](), evaluate, trials=12, out=tmp_path / "run", sampler=sampler)

    run = open_run(tmp_path / "run")
    bad = {r.number for r in records if r.measurement.outcome == kind}
    assert bad
    assert not bad & {r.number for r in run.front()}
    trials = trials_of(tmp_path / "run")
    for number in bad:
        trial = trials[number]
        assert trial.state.name == "COMPLETE"
        assert trial.system_attrs["constraints"] == [0.8]
        assert trial.values == [0.0, 900 * 2**20]
    path = (tmp_path / "run" / "study.db").resolve()
    study = optuna.load_study(study_name="run", storage=f"sqlite:///{path}")
    assert study.best_trials
    assert all(t.params["a"] != 3 for t in study.best_trials)


def test_failed_trial_is_failed_with_its_reason_and_the_study_goes_on(tmp_path, spaces, table):
    def evaluate(point):
        if point["a"] == 0:
            return Measurement(outcome=DIVERGED, reason="the loss is NaN in epoch 2")
        return table(point)

    records = run_study(spaces[0](), evaluate, trials=14, out=tmp_path / "run", sampler="random")

    failed = [t for t in trials_of(tmp_path / "run") if t.state.name == "FAIL"]
    assert failed
    assert {t.user_attrs["nas_edge:failure"] for t in failed} == {
        "diverged: the loss is NaN in epoch 2"
    }
    assert len(records) == 14
    assert {r.measurement.reason for r in records if r.point["a"] == 0} == {
        "the loss is NaN in epoch 2"
    }


def test_three_crashes_at_the_start_end_the_study(tmp_path, letters):
    calls = []

    def evaluate(point):
        calls.append(point)
        return Measurement(outcome=CRASHED, reason="ValueError: no such layer")

    with pytest.raises(StudyError, match=r"first 3 candidates all crashed.*no such layer"):
        run_study(letters, evaluate, trials=9, out=tmp_path / "run", sampler="random")
    assert len(calls) == 3


def test_crashes_after_a_finished_candidate_do_not_end_the_study(tmp_path, spaces, table):
    def evaluate(point):
        return table(point) if not table.calls else Measurement(outcome=CRASHED, reason="x")

    assert len(run_study(spaces[0](), evaluate, trials=8, out=tmp_path / "run")) == 8


def test_time_budget_counts_evaluations_of_earlier_sessions(tmp_path, spaces):
    from dataclasses import replace

    def evaluate(point):
        return replace(spaces[2].result(point), wall_s=10.0)

    notes = []
    options = {"trials": 15, "out": tmp_path / "run", "sampler": "random"}
    run_study(spaces[0](), evaluate, time_budget_s=35.0, **options)
    records = run_study(
        spaces[0](), evaluate, time_budget_s=35.0, on_event=notes_into(notes), **options
    )

    assert len(records) == 3
    assert notes == ["the time budget is used up (30 of 35 s, 3 candidates)"]
    assert len(run_study(spaces[0](), evaluate, time_budget_s=50.0, **options)) == 5


def test_three_objectives_make_a_front_of_three(tmp_path, spaces):
    def evaluate(point):
        a, b = point["a"], point["b"]
        return Measurement.of(val_accuracy=a / 4, peak_memory=1 + b, latency=1 + (a - b) ** 2)

    objectives = ("val_accuracy", "peak_memory", "latency")
    run_study(spaces[0](), evaluate, objectives=objectives, trials=16, out=tmp_path / "run")

    run = open_run(tmp_path / "run")
    losses = {(-a / 4, 1 + b, 1 + (a - b) ** 2) for a in range(4) for b in range(4)}
    best = {
        one
        for one in losses
        if not any(o != one and all(x <= y for x, y in zip(o, one)) for o in losses)
    }
    shown = {
        (-r.value("val_accuracy"), r.value("peak_memory"), r.value("latency")) for r in run.front()
    }
    assert run.objectives == objectives
    assert shown == best


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


def test_error_of_the_evaluator_keeps_its_type_and_its_trial(tmp_path, spaces, table):
    def broken(point):
        raise ConnectionRefusedError(111, "the meter does not answer")

    with pytest.raises(ConnectionRefusedError, match="meter") as caught:
        run_study(spaces[0](), broken, trials=3, out=tmp_path / "run", sampler="random")
    assert not isinstance(caught.value, NasEdgeError)

    records = run_study(spaces[0](), table, trials=3, out=tmp_path / "run", sampler="random")
    assert [r.number for r in records] == [0, 1, 2]


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


def test_wall_time_is_measured_where_the_evaluator_gives_none(tmp_path, spaces):
    import time

    def evaluate(point):
        time.sleep(0.05)
        return spaces[2].result(point)

    (record,) = run_study(spaces[0](), evaluate, trials=1, out=tmp_path / "run")

    assert 0.05 <= record.measurement.wall_s < 5.0


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
        Cells(), look_up, objectives=("val_accuracy", "params"), trials=40, out=tmp_path / "run"
    )

    assert len({r.key for r in records}) == 40
    for record in random.Random(0).sample(records, 10):
        row = known[tuple(record.point[e] for e in edges)]
        assert record.value("val_accuracy") == pytest.approx(float(row["accuracy"]) / 100)
    pairs = [(-r.value("val_accuracy"), r.value("params")) for r in records]
    best = [p for p in pairs if not any(q != p and q[0] <= p[0] and q[1] <= p[1] for q in pairs)]
    front = open_run(tmp_path / "run").front()
    assert sorted((-r.value("val_accuracy"), r.value("params")) for r in front) == sorted(best)
