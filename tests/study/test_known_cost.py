"""The sampler that knows the cost, in plain Optuna and in a study."""

import json
from itertools import product

import numpy as np
import optuna
import pytest

from nas_edge import Measurement, run_study
from nas_edge.errors import ConfigError
from nas_edge.pareto import hypervolume
from nas_edge.study.costed_points import CostedPoints
from nas_edge.study.known_cost import KnownCostSampler
from nas_edge.study.records import EXPECTED_ACCURACY, FAILURE, MEASUREMENT

CHOICES = {"a": (1, 2, 4, 8), "b": (1, 2, 4, 8), "kind": ("x", "y", "z")}
RUNNING, COMPLETE = optuna.trial.TrialState.RUNNING, optuna.trial.TrialState.COMPLETE


def cost(point):
    return float(point["a"] * point["b"])


def accuracy(point):
    gain = {"x": 0.0, "y": 0.1, "z": 0.2}[point["kind"]]
    return 0.5 + 0.05 * np.log2(point["a"]) + 0.02 * np.log2(point["b"]) + gain


def make_study(**options):
    sampler = KnownCostSampler(CHOICES, cost, **options)
    return optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)


def ask(study):
    trial = study.ask()
    return trial, {k: trial.suggest_categorical(k, v) for k, v in CHOICES.items()}


def run(study, trials):
    points = []
    for _ in range(trials):
        trial, point = ask(study)
        points.append(point)
        study.tell(trial, (accuracy(point), cost(point)))
    return points


def spelled(points):
    return [json.dumps(point) for point in points]


def test_every_point_comes_once_until_all_were_tried():
    points = run(make_study(seed=1), 48)
    assert len(set(spelled(points))) == 48
    (another,) = run(make_study(seed=1), 49)[48:]
    assert json.dumps(another) in spelled(points)  # drawn at random: nothing new is left


def test_the_seed_decides_everything():
    first = run(make_study(seed=3), 14)
    assert run(make_study(seed=3), 14) == first
    assert run(make_study(seed=4), 14) != first


def test_a_study_goes_on_as_if_never_stopped():
    whole = make_study(seed=5)
    points = run(whole, 15)
    again = make_study(seed=5)
    for trial in whole.trials[:12]:
        again.add_trial(trial)
    assert run(again, 3) == points[12:]


def test_finds_the_front_sooner_than_drawing_evenly():
    everything = [dict(zip(CHOICES, values)) for values in product(*CHOICES.values())]
    reference = (1.0, 70.0)

    def share(points):
        losses = np.array([[1 - accuracy(p), cost(p)] for p in points])
        return hypervolume(losses, reference)

    best = share(everything)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        evenly = [everything[i] for i in rng.permutation(48)[:14]]
        missing = 1 - share(run(make_study(seed=seed), 14)) / best
        assert missing < 0.5 * (1 - share(evenly) / best)
        assert missing < 0.02


def test_no_dearer_point_is_suggested():
    points = run(make_study(seed=0, max_need=8.0), 20)
    assert max(map(cost, points)) <= 8.0


def test_a_limit_holds_also_once_all_that_fits_was_tried():
    points = run(make_study(seed=0, max_need=2.0), 30)
    assert len(set(spelled(points))) == 9
    assert max(map(cost, points)) <= 2.0


def test_a_limit_may_be_set_to_something_else_than_the_cost():
    points = CostedPoints(CHOICES, cost, need=lambda p: float(p["a"]))
    sampler = KnownCostSampler(CHOICES, points, seed=0, max_need=2.0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    tried = run(study, 24)
    assert {point["a"] for point in tried} == {1, 2}
    assert len(set(spelled(tried))) == 24


def test_what_costs_as_much_as_one_that_did_not_fit_is_not_tried():
    study = make_study(seed=0, constraints_func=lambda t: t.user_attrs["constraint"])
    points = []
    for _ in range(25):
        trial, point = ask(study)
        points.append(point)
        trial.set_user_attr("constraint", [1.0 if cost(point) >= 16 else 0.0])
        study.tell(trial, (0.0 if cost(point) >= 16 else accuracy(point), cost(point)))
    refused = [cost(p) for p in points if cost(p) >= 16]
    assert refused == sorted(refused, reverse=True)
    assert len(refused) <= 5


def test_a_refusal_is_forgotten_where_a_dearer_one_fitted():
    def constraint(trial):
        return trial.user_attrs["constraint"]

    study = make_study(seed=0, constraints_func=constraint)
    for a, refused in ((1, 1.0), (8, 0.0)):  # one of cost 1 ran out by chance, one of 64 did not
        study.enqueue_trial({"a": a, "b": a, "kind": "x"})
        trial, point = ask(study)
        trial.set_user_attr("constraint", [refused])
        study.tell(trial, (0.0 if refused else accuracy(point), cost(point)))
    for _ in range(30):
        trial, point = ask(study)
        trial.set_user_attr("constraint", [0.0])
        study.tell(trial, (accuracy(point), cost(point)))
    assert len({cost(trial.params) for trial in study.trials}) == 7


def test_a_withdrawn_trial_leaves_its_point_open_and_a_failed_one_does_not():
    def tried_after(attributes):
        study = make_study(seed=0)
        study.enqueue_trial({"a": 4, "b": 4, "kind": "z"})
        trial, _ = ask(study)
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return run(study, 47)

    point = {"a": 4, "b": 4, "kind": "z"}
    assert point in tried_after({FAILURE: "another worker is at this point"})
    assert point not in tried_after({})
    assert point not in tried_after({FAILURE: "crashed: x", MEASUREMENT: {}})


def test_a_result_teaches_though_an_earlier_trial_at_the_point_failed():
    study = make_study(seed=0, startup_trials=1)
    for state, values in ((optuna.trial.TrialState.FAIL, None), (COMPLETE, (0.9, 1.0))):
        study.enqueue_trial({"a": 1, "b": 1, "kind": "x"})
        trial, _ = ask(study)
        study.tell(trial, values, state=state)
    seen = study.sampler._seen(study, study.ask())
    assert seen.errors == [pytest.approx(0.1)]


def test_the_start_covers_what_enqueued_points_leave_open():
    def own(*enqueued):
        study = make_study(seed=0)
        for a, kind in enqueued:
            study.enqueue_trial({"a": a, "b": a, "kind": kind})
        return [cost(point) for point in run(study, len(enqueued) + 3)[len(enqueued) :]]

    cheapest, dearest, middle = own()
    assert cheapest <= 2
    assert dearest >= 32
    assert 2 < middle < 32
    cheapest, middle, _ = own((8, "x"), (8, "y"))
    assert cheapest <= 2
    assert 2 < middle < 32
    cheapest, dearest, _ = own((2, "x"), (4, "y"))
    assert cheapest <= 2
    assert dearest >= 32


def test_an_enqueued_point_stands_for_two_of_the_start():
    def asks_the_model(finished, enqueued, startup_trials):
        study = make_study(seed=0)
        for a in (1, 2, 4, 8)[:enqueued]:
            study.enqueue_trial({"a": a, "b": a, "kind": "x"})
        run(study, finished)
        study.ask()
        trial = study.trials[-1]
        start, model = (
            make_study(seed=0, startup_trials=number).sampler.sample_relative(study, trial, {})
            for number in (startup_trials, 1)
        )
        return start == model

    for finished, enqueued in ((5, 0), (4, 1), (3, 2)):
        assert not asks_the_model(finished, enqueued, 6)
        assert asks_the_model(finished + 1, enqueued, 6)


def test_the_start_is_no_dearer_than_the_dearest_finished_where_that_is_not_the_best():
    study = make_study(seed=0)
    for a, told in ((2, 0.9), (4, 0.5)):
        study.enqueue_trial({"a": a, "b": a, "kind": "x"})
        trial, point = ask(study)
        study.tell(trial, (told, cost(point)))
    start = []
    for _ in range(6):
        trial, point = ask(study)
        study.tell(trial, (0.4, cost(point)))
        start.append(cost(point))
    assert max(start) <= 16.0
    assert set(start[:3]) == {1.0, 2.0, 8.0}


def test_dearer_points_than_the_dearest_finished_are_not_given_up():
    study = make_study(seed=0, startup_trials=3)
    for a, kind in ((1, "x"), (2, "y"), (4, "z")):  # accuracy grows with the cost, up to 4
        study.enqueue_trial({"a": a, "b": 1, "kind": kind})
        run(study, 1)
    assert max(map(cost, run(study, 6))) > 4.0


def test_dearer_points_wait_where_the_dearest_finished_is_not_the_most_accurate():
    study = make_study(seed=0, startup_trials=3)
    for a, kind in ((1, "x"), (2, "y"), (4, "z")):
        study.enqueue_trial({"a": a, "b": 1, "kind": kind})
        trial, point = ask(study)
        study.tell(trial, (0.9 - 0.1 * np.log2(cost(point)), cost(point)))
    assert cost(ask(study)[1]) <= 4.0


def test_of_equal_accuracies_the_dearest_counts_for_the_corner():
    sampler = KnownCostSampler(CHOICES, cost)
    dearest = {"a": 8, "b": 8, "kind": "x"}
    losses = np.array([[0.1, 2.0], [0.1, 8.0], [0.3, 1.0]])
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        assert sampler._corner([dearest], losses[order]) == (0.3, 64.0)


def test_running_trials_are_neither_repeated_nor_crowded():
    study = make_study(seed=0)
    run(study, 12)
    batch = [ask(study)[1] for _ in range(6)]
    assert len(set(spelled(batch))) == 6
    assert len({cost(point) for point in batch}) > 1


def test_an_enqueued_point_stays_what_it_is():
    study = make_study(seed=0)
    study.enqueue_trial({"a": 8, "b": 8, "kind": "z"})
    assert run(study, 1) == [{"a": 8, "b": 8, "kind": "z"}]
    assert study.trials[0].values == [accuracy(study.trials[0].params), 64.0]


def test_a_stopped_trial_teaches_by_what_it_was_expected_to_reach():
    def fourth_after(expected):
        study = make_study(seed=0, startup_trials=3)
        run(study, 3)
        for kind in "xyz":  # all that is wide looks bad, or good
            study.enqueue_trial({"a": 8, "b": 1, "kind": kind})
            trial, _ = ask(study)
            trial.set_user_attr(EXPECTED_ACCURACY, expected)
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        return [ask(study)[1]["a"] for _ in range(4)]

    assert np.mean(fourth_after(0.999)) > np.mean(fourth_after(0.01))


def test_failed_trials_and_others_choices_teach_nothing():
    study = make_study(seed=0)
    trial, _ = ask(study)
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    other = optuna.distributions.CategoricalDistribution((3, 5))
    study.add_trial(
        optuna.trial.create_trial(values=[0.9, 1.0], params={"a": 3}, distributions={"a": other})
    )
    assert len(run(study, 12)) == 12


def test_accuracy_of_one_and_of_zero_are_learned_from():
    study = make_study(seed=0, startup_trials=2)
    for value in (1.0, 0.0, 1.0, 0.0):
        trial, point = ask(study)
        study.tell(trial, (value, cost(point)))


def test_two_equal_directions_are_refused():
    sampler = KnownCostSampler(CHOICES, cost)
    study = optuna.create_study(directions=["minimize", "minimize"], sampler=sampler)
    with pytest.raises(ConfigError, match="an accuracy to maximize and a cost to minimize"):
        ask(study)


def test_objectives_may_stand_in_either_order():
    study = optuna.create_study(
        directions=["minimize", "maximize"], sampler=KnownCostSampler(CHOICES, cost, seed=0)
    )
    for _ in range(14):
        trial, point = ask(study)
        study.tell(trial, (cost(point), accuracy(point)))
    assert max(t.values[1] for t in study.trials) > 0.85


# Points with their costs.


def test_a_small_space_is_there_whole_and_spellings_count_once():
    points = CostedPoints(
        {"a": (1, 2), "b": (1, 2)}, cost, key=lambda p: (min(p.values()), max(p.values()))
    )
    assert [(p["a"], p["b"]) for p in points.pool] == [(1, 1), (1, 2), (2, 2)]


def test_points_without_a_cost_are_left_out():
    points = CostedPoints({"a": (1, 2), "b": (1, 2)}, lambda p: None if p["a"] == 2 else 1.0)
    assert all(point["a"] == 1 for point in points.pool)
    assert len(points.pool) == 2


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan")])
def test_a_cost_that_has_no_logarithm_is_refused_with_its_point(value):
    points = CostedPoints({"a": (1, 2)}, lambda p: value)
    with pytest.raises(ConfigError, match=r"above 0 and finite.*\{'a': 2\} it is"):
        points.pool  # noqa: B018


def test_points_of_which_none_has_a_cost_are_refused():
    with pytest.raises(ConfigError, match="none has"):
        CostedPoints({"a": (1, 2)}, lambda p: None).pool  # noqa: B018


def test_a_large_space_is_drawn_with_its_corners():
    choices = {f"w{i}": (1, 2, 3, 4) for i in range(12)}
    points = CostedPoints(choices, lambda p: float(sum(p.values())), seed=1)
    sums = [sum(point.values()) for point in points.pool]
    assert min(sums) <= 14
    assert max(sums) >= 46
    assert 1500 < len(points.pool) <= 2000


def test_neighbours_differ_in_one_choice_by_a_step():
    points = CostedPoints({"a": (8, 1, 4, 2), "kind": ("x", "y", "z")}, lambda p: 1.0)
    found = [(p["a"], p["kind"]) for p in points.neighbours({"a": 2, "kind": "y"})]
    assert sorted(found) == [(1, "y"), (2, "x"), (2, "z"), (4, "y")]


# In a study.


class Widths:
    """Twelve networks, of which two spellings are one."""

    references = {"xception-lite": {"a": 8, "kind": "y"}}  # noqa: RUF012
    searched = {"a": (1, 2, 4, 8), "kind": ("x", "y", "z")}  # noqa: RUF012

    def suggest(self, trial):
        return {name: trial.suggest_categorical(name, v) for name, v in self.searched.items()}

    def contains(self, point):
        return True

    def key(self, point):
        return f"{point['a']}{point['kind']}"

    def parameters(self, point):
        return dict(point)


class Memory:
    names = ("peak_memory", "params")

    def __call__(self, point):
        return {"peak_memory": 1e6 * point["a"], "params": 10.0 * point["a"]}


def evaluate(point):
    value = 0.6 + 0.03 * point["a"] + {"x": 0.0, "y": 0.05, "z": 0.1}[point["kind"]]
    known = Memory()(point)
    return Measurement.of(val_accuracy=value, latency=1.0, **known)


def points_of(records):
    return [record.point for record in records]


def test_a_study_of_a_known_cost_takes_this_sampler_by_itself(tmp_path):
    plain = {"space": Widths(), "evaluator": evaluate, "trials": 9}
    found = points_of(run_study(out=tmp_path / "auto", known=Memory(), **plain))
    asked = points_of(
        run_study(out=tmp_path / "named", known=Memory(), sampler="known-cost", **plain)
    )
    tpe = points_of(run_study(out=tmp_path / "tpe", known=Memory(), sampler="tpe", **plain))
    assert found == asked != tpe


def test_an_interrupted_study_suggests_what_it_would_have(tmp_path):
    whole = points_of(run_study(Widths(), evaluate, trials=11, out=tmp_path / "a", known=Memory()))
    run_study(Widths(), evaluate, trials=6, out=tmp_path / "b", known=Memory())
    assert (
        points_of(run_study(Widths(), evaluate, trials=11, out=tmp_path / "b", known=Memory()))
        == whole
    )


@pytest.mark.parametrize("known", [None, Memory()])
def test_a_cost_that_is_not_known_is_refused_where_asked_for(tmp_path, known):
    with pytest.raises(ConfigError, match=r"sampler.name known-cost needs val_accuracy against"):
        run_study(
            Widths(),
            evaluate,
            objectives=("val_accuracy", "latency"),
            out=tmp_path / "a",
            sampler="known-cost",
            known=known,
        )
    assert not (tmp_path / "a" / "study.db").exists()


def test_a_space_that_does_not_tell_its_choices_is_refused(tmp_path, letters):
    with pytest.raises(ConfigError, match=r"known-cost needs a space with `searched` choices"):
        run_study(letters, evaluate, out=tmp_path / "a", sampler="known-cost", known=Memory())


def test_a_cost_that_is_not_known_leaves_the_choice_to_tpe(tmp_path):
    plain = {"space": Widths(), "evaluator": evaluate, "trials": 5}
    latency = dict(plain, objectives=("val_accuracy", "latency"))
    found = points_of(run_study(out=tmp_path / "a", known=Memory(), **latency))
    assert found == points_of(run_study(out=tmp_path / "b", sampler="tpe", **latency))


def test_every_point_of_a_small_space_is_tried_and_then_the_study_ends(tmp_path):
    records = run_study(Widths(), evaluate, trials=40, out=tmp_path / "a", known=Memory())
    assert len(records) == 12


def test_a_limit_counts_whatever_the_objective_is_and_what_fits_it_ends_the_study(tmp_path):
    from nas_edge.study.engine import create_or_open, run_in

    notes = []
    folder = create_or_open(tmp_path / "run", "run", None)
    with folder.locked():
        records = run_in(
            folder,
            Widths(),
            evaluate,
            objectives=("val_accuracy", "params"),
            trials=40,
            sampler="auto",
            seed=0,
            time_budget_s=None,
            identity=None,
            on_event=lambda event: notes.append(event.get("text")),
            known=Memory(),
            max_memory=4e6,
        )
    own = [record for record in records if record.reference is None]
    assert {record.point["a"] for record in own} == {1, 2, 4}
    assert len(own) == 9
    assert "every point of the space that fits the memory limit has been tried" in notes
