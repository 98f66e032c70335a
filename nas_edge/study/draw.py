"""Random points of any space, drawn by a stand-in for Optuna's trial that remembers."""

from __future__ import annotations

import random
from typing import Any, Callable, Dict, Optional, Sequence


class RandomDraw:
    """Has a trial's ``suggest_*`` methods and chooses uniformly; ``params`` are what was chosen."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.params: Dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Return one of the choices."""
        return self.params.setdefault(name, self._rng.choice(list(choices)))

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        """Return a whole number from low to high, evenly also where ``log`` asks otherwise."""
        del log
        return int(self.params.setdefault(name, self._rng.randrange(low, high + 1, step)))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: Optional[float] = None, log: bool = False
    ) -> float:
        """Return a number from low to high, evenly also where ``log`` asks otherwise."""
        del log
        if step is not None:
            return float(
                self.params.setdefault(
                    name, low + step * self._rng.randrange(int((high - low) / step) + 1)
                )
            )
        return float(self.params.setdefault(name, self._rng.uniform(low, high)))


def draw_unseen(
    space: Any, is_seen: Callable[[Any], bool], rng: random.Random, num_draws: int = 5000
) -> Optional[Dict[str, Any]]:
    """Return the parameters of a point that was not seen, or None if that many draws met none."""
    for _ in range(num_draws):
        draw = RandomDraw(rng)
        if not is_seen(space.suggest(draw)):
            return draw.params
    return None
