"""Events as plain lines and as JSON, one by one."""

import json
from dataclasses import replace

import pytest

from nas_edge import Measurement
from nas_edge.candidate.measurement import Metric
from nas_edge.cli.json_lines import JsonLines
from nas_edge.cli.lines import Lines
from nas_edge.study.records import TrialRecord


@pytest.mark.parametrize(
    ("position", "tail"),
    [(22, ", about 2 min 20 s left"), (23, ", about 1 min 10 s left"), (24, "")],
)
def test_a_candidates_last_line_tells_the_time_for_those_after_it(position, tail):
    lines = []
    listen = Lines(lines.append, is_brief=True)
    left_s = 70.0 * (24 - position + 1)  # with this one
    listen(
        {
            "event": "candidate",
            "number": position - 1,
            "reference": None,
            "position": position,
            "trials": 24,
            "time_left_s": left_s,
        }
    )
    measured = replace(Measurement.of(val_accuracy=0.9), wall_s=75.0)
    listen({"event": "measured", "number": position - 1, "measurement": measured})
    place = f"[{position}/24] trial {position - 1}"
    assert lines == [f"{place}: val accuracy 0.900, 1 min 15 s{tail}"]


def test_figures_that_do_not_compare_make_a_front_of_null():
    lines = []
    listen = JsonLines(lines.append)
    listen({"event": "study", "objectives": ["val_accuracy", "peak_memory"]})
    records = [
        TrialRecord(
            number,
            str(number),
            {},
            None,
            Measurement(
                metrics={
                    "val_accuracy": Metric(0.5, "share", "validation images"),
                    "peak_memory": Metric(5.0, "bytes", source),
                }
            ),
        )
        for number, source in enumerate(["jtop", "torch.cuda"])
    ]
    listen({"event": "known", "records": records[:1]})
    listen({"event": "known", "records": records})
    fronts = [json.loads(line) for line in lines[1:]]
    assert [one["event"] for one in fronts] == ["front", "front"]
    assert [row["number"] for row in fronts[0]["rows"]] == [0]
    assert fronts[1]["rows"] is None
