"""A study's events as lines: one a candidate, whatever came of it."""

from nas_edge import Measurement, ProgressLines, run_study
from nas_edge.candidate.measurement import OVER_LIMIT

MIB = 2**20


def heard(*events, objectives=("val_accuracy", "peak_memory")):
    lines = []
    listen = ProgressLines(lines.append)
    listen(
        {
            "event": "study",
            "name": "mine",
            "space": "small",
            "num_points": 1234,
            "counts": {"train": 40, "val": 20},
            "classes": ["good", "bad"],
            "device": {"name": "abacus", "kind": "cpu"},
            "objectives": objectives,
        }
    )
    for event in events:
        listen(event)
    return lines


def candidate(position, left_s, reference=None):
    return {
        "event": "candidate",
        "number": position - 1,
        "reference": reference,
        "position": position,
        "trials": 4,
        "time_left_s": left_s,
    }


def test_a_study_is_introduced_and_each_candidate_told_in_one_line():
    measured = Measurement.of(val_accuracy=0.625, peak_memory=12 * MIB)
    refused = Measurement(OVER_LIMIT, "needs 40.0 MiB", wall_s=2.0)

    lines = heard(
        candidate(1, None, "xception"),
        {"event": "probed", "peak_bytes": 12 * MIB},
        {"event": "epoch", "epoch": 1},
        {"event": "measured", "measurement": measured},
        {"event": "note", "text": "a note"},
        # Thirty seconds for it and the one after it.
        candidate(3, 30.0),
        {"event": "measured", "measurement": refused},
        candidate(4, 15.0),
        {"event": "measured", "measurement": measured},
    )

    assert lines == [
        "mine: small, 1,234 points; 40 train, 20 val images of 2 classes; abacus (cpu)",
        "[1/4] xception: val accuracy 62.5%, peak training memory 12.0 MiB; 0 s",
        "a note",
        "[3/4] trial 2: over limit (needs 40.0 MiB); 2 s, about 15 s left",
        "[4/4] trial 3: val accuracy 62.5%, peak training memory 12.0 MiB; 0 s",
    ]


def test_it_hears_a_study_of_ones_own_and_prints(tmp_path, capsys):
    class Letters:
        def suggest(self, trial):
            return trial.suggest_categorical("letter", ["a", "b", "c"])

        def contains(self, point):
            return True

        def key(self, point):
            return point

    def measure(point):
        return Measurement.of(val_accuracy=0.5, params=ord(point))

    run_study(
        Letters(),
        measure,
        objectives=("val_accuracy", "params"),
        trials=3,
        sampler="random",
        out=tmp_path / "run",
        on_event=ProgressLines(),
    )

    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert [line[:5] for line in lines] == ["[1/3]", "[2/3]", "[3/3]"]
    assert all("val accuracy 50.0%" in line for line in lines)
