"""A training that is judged by its epochs, those that an earlier session trained among them."""

from dataclasses import dataclass

import pytest

from nas_edge.candidate.judged import Judged, Stopped


@dataclass(frozen=True)
class Verdict:
    epoch: int
    is_audit: bool
    reason: str = "too slow"

    def to_dict(self):
        return {"epoch": self.epoch, "is_audit": self.is_audit}


def judge_at(epoch, is_audit):
    return lambda rows, known: Verdict(epoch, is_audit) if len(rows) == epoch else None


def row(epoch, seconds=2.0):
    return {"epoch": epoch, "seconds": seconds}


def judged(judge=None):
    heard = []
    return Judged(judge, heard.append, {}), heard


def hear(judged, *epochs):
    for epoch in epochs:
        judged.hear({"event": "epoch", **row(epoch)})


def test_a_verdict_ends_the_training_after_its_epoch():
    one, heard = judged(judge_at(2, is_audit=False))
    hear(one, 1)
    with pytest.raises(Stopped):
        hear(one, 2)
    assert [message["epoch"] for message in heard] == [1, 2]
    found = one.measurement()
    assert (found.outcome, found.reason, len(found.history)) == ("stopped", "too slow", 2)


def test_an_audited_verdict_is_kept_by_a_training_that_goes_on():
    one, _ = judged(judge_at(2, is_audit=True))
    hear(one, 1, 2, 3)
    again, heard = judged(judge_at(2, is_audit=True))
    again.hear({"event": "resumed", "rows": [row(1), row(2), row(3)]})
    hear(again, 4)
    assert one.details == again.details == {"pruned": {"epoch": 2, "is_audit": True}}
    assert [message["epoch"] for message in heard] == [4]  # the earlier ones were told before


def test_a_verdict_on_earlier_epochs_is_given_at_once():
    one, _ = judged(judge_at(2, is_audit=False))
    with pytest.raises(Stopped):
        one.hear({"event": "resumed", "rows": [row(1), row(2)]})
    assert len(one.measurement().history) == 2


def test_what_earlier_epochs_took_counts():
    one, _ = judged(judge_at(4, is_audit=False))
    one.hear({"event": "resumed", "rows": [row(1), row(2, 3.5)]})
    with pytest.raises(Stopped):
        hear(one, 3, 4)
    assert one.measurement().wall_s == pytest.approx(5.5)


def test_epochs_of_this_session_are_no_earlier_ones():
    one, _ = judged()
    hear(one, 1, 2)
    one.hear({"event": "resumed", "rows": [row(1), row(2)]})  # its process was started again
    assert one.earlier_s == 0.0


def test_a_training_that_begins_once_more_is_judged_anew():
    one, _ = judged(judge_at(2, is_audit=True))
    hear(one, 1, 2, 1)
    assert one.details == {}
