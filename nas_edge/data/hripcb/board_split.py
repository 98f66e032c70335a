"""Which boards go to train, validation and test: decided before anything is cut."""

from __future__ import annotations

import random
from typing import Dict, Sequence, Tuple

from nas_edge.data.hripcb.options import PrepareOptions
from nas_edge.errors import DataError


def split_boards(
    boards: Sequence[str], options: PrepareOptions, where: str
) -> Dict[str, Tuple[str, ...]]:
    """Return the boards of train, val and test; no board is in two of them.

    Raises:
        DataError: If there are fewer than three boards.
    """
    distinct = sorted(set(boards))
    if len(distinct) < 3:
        raise DataError(
            f"{where}: must show at least 3 boards to be split by board, but shows "
            f"{len(distinct)} ({', '.join(distinct)})"
        )
    num_val = min(max(1, round(len(distinct) * options.val)), len(distinct) - 2)
    num_test = min(max(1, round(len(distinct) * options.test)), len(distinct) - num_val - 1)
    random.Random(f"{options.seed}:boards").shuffle(distinct)
    return {
        "train": tuple(sorted(distinct[num_val + num_test :])),
        "val": tuple(sorted(distinct[:num_val])),
        "test": tuple(sorted(distinct[num_val : num_val + num_test])),
    }
