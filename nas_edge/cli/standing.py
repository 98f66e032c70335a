"""How a study stands: what its events have told so far, as one value that each event renews."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, Optional, Tuple

from nas_edge.study.records import TrialRecord

Event = Dict[str, Any]


@dataclass(frozen=True)
class Training:
    """The candidate that is at it. Times are those of the clock that `updated` is given.

    ``epoch`` counts finished epochs, ``steps`` the present one's; accuracy, loss and memory are the
    last epoch's, ``left_s`` what the study had left when the candidate began.
    """

    name: str
    position: int
    phase: str
    began_s: float
    left_s: Optional[float] = None
    peak_bytes: Optional[int] = None
    training_bytes: Optional[int] = None
    training_began_s: Optional[float] = None
    epoch: int = 0
    step: int = 0
    steps: int = 0
    epoch_s: Optional[float] = None
    val_accuracy: Optional[float] = None
    loss: Optional[float] = None


@dataclass(frozen=True)
class Standing:
    """The study, what is known, who is at it, and the last note before it began."""

    study: str = ""
    objectives: Tuple[str, ...] = ()
    epochs: int = 0
    trials: int = 0
    memory_limit_bytes: Optional[int] = None
    time_budget_s: Optional[float] = None
    records: Tuple[TrialRecord, ...] = ()
    training: Optional[Training] = None
    note: str = ""
    why: str = ""
    text: str = ""


def updated(standing: Standing, event: Event, now_s: float) -> Standing:
    """Return how a study stands after an event."""
    change = _CHANGES.get(event["event"])
    return standing if change is None else change(standing, event, now_s)


def share_of_candidate(standing: Standing) -> float:
    """Return how much of the candidate's training is done, from 0 to 1."""
    training = standing.training
    if training is None or not standing.epochs:
        return 0.0
    part = training.step / training.steps if training.steps else 0.0
    return min((training.epoch + part) / standing.epochs, 1.0)


def share_of_study(standing: Standing) -> float:
    """Return how much of the study is done, from 0 to 1."""
    if not standing.trials:
        return 0.0
    return min((len(standing.records) + share_of_candidate(standing)) / standing.trials, 1.0)


def time_left_s(standing: Standing, now_s: float) -> Optional[float]:
    """Return about how long the study will go on, or None where nothing tells."""
    training = standing.training
    if training is None:
        return None
    rest = max(standing.trials - training.position, 0)
    spent = max(now_s - training.began_s, 0.0)
    if training.left_s is not None:
        # One that takes longer than the mean leaves the others their time.
        return max(training.left_s - spent, training.left_s * rest / (rest + 1))
    if training.epoch_s is None or training.training_began_s is None:
        return None
    each = training.epoch_s * standing.epochs
    left = max(each - (now_s - training.training_began_s), 0.0) + each * rest
    budget = standing.time_budget_s
    return left if budget is None else min(left, max(budget - spent, 0.0))


def _on_note(standing: Standing, event: Event, _: float) -> Standing:
    return replace(standing, note=event["text"])


def _on_study(standing: Standing, event: Event, _: float) -> Standing:
    return replace(
        standing,
        study=event["name"],
        objectives=tuple(event["objectives"]),
        epochs=event["epochs"],
        memory_limit_bytes=event["memory_limit_bytes"],
        time_budget_s=event["time_budget_s"],
    )


def _on_known(standing: Standing, event: Event, _: float) -> Standing:
    return replace(standing, records=event["records"])


def _on_candidate(standing: Standing, event: Event, now_s: float) -> Standing:
    training = Training(
        name=event["reference"] or f"trial {event['number']}",
        position=event["position"],
        phase="measuring memory",
        began_s=now_s,
        left_s=event["time_left_s"],
    )
    return replace(standing, trials=event["trials"], training=training)


def _on_probed(standing: Standing, event: Event, now_s: float) -> Standing:
    return _with(standing, phase="training", peak_bytes=event["peak_bytes"], training_began_s=now_s)


def _on_step(standing: Standing, event: Event, _: float) -> Standing:
    return _with(standing, epoch=event["epoch"] - 1, step=event["step"], steps=event["steps"])


def _on_epoch(standing: Standing, event: Event, _: float) -> Standing:
    is_last = event["epoch"] == standing.epochs
    return _with(
        standing,
        phase="measuring latency" if is_last else "training",
        epoch=event["epoch"],
        step=0,
        epoch_s=event["seconds"],
        val_accuracy=event["val_accuracy"],
        loss=event["loss"],
        training_bytes=event["peak_memory_bytes"],
    )


def _on_measured(standing: Standing, _: Event, __: float) -> Standing:
    return replace(standing, training=None)


def _on_ended(standing: Standing, event: Event, _: float) -> Standing:
    return replace(standing, why=event["why"], text=event["text"])


def _with(standing: Standing, **changes: Any) -> Standing:
    """Return the same with changes to its candidate, if one is at it."""
    training = standing.training
    return (
        standing if training is None else replace(standing, training=replace(training, **changes))
    )


_CHANGES: Dict[str, Callable[[Standing, Event, float], Standing]] = {
    "note": _on_note,
    "study": _on_study,
    "known": _on_known,
    "candidate": _on_candidate,
    "probed": _on_probed,
    "step": _on_step,
    "epoch": _on_epoch,
    "measured": _on_measured,
    "ended": _on_ended,
}
