"""Several workers on one storage, each with a folder of its own: who evaluates what.

There is no lock between them. A worker writes its name and its point's key into its trial, reads
all trials, and gives its own up where another's has the point or the last place. Two that do so at
the same moment both give up and ask again; a reference is given up only for the same reference.
"""

from __future__ import annotations

import time
from typing import Any, Optional

from nas_edge.study import records as attrs
from nas_edge.study.ledger import RunningTrial
from nas_edge.study.session import Session

CLAIM_S = 1.0  # a trial without a worker's name for longer than this has none any more


def rival_of(session: Session, trial: Any, key: str) -> Optional[RunningTrial]:
    """Return the running trial of another worker that has the point, if it goes before this one."""
    is_reference = attrs.REFERENCE in trial.user_attrs
    for one in session.ledger.elsewhere():
        goes_before = one.is_reference and one.number < trial.number if is_reference else True
        if one.key == key and goes_before:
            return one
    return None


def is_surplus(session: Session, trial: Any, trials: int) -> bool:
    """Return whether other workers' earlier trials fill the study already."""
    if not session.is_shared:
        return False
    if any(one.worker is None and one.number < trial.number for one in session.ledger.running):
        time.sleep(CLAIM_S)  # its worker is about to say so, or dead
        session.refresh()
    earlier = [one for one in session.ledger.elsewhere() if one.number < trial.number]
    return len(session.ledger.records) + len(earlier) >= trials
