"""Import torchvision, whether or not its compiled part matches torch.

That part is missing with a CPU-only torch and the registry's torchvision, and on a Jetson whose
torchvision was built for another torch; then the import fails, because the operators that detection
models use are not declared. Networks that classify use none of them.
"""

from __future__ import annotations

import contextlib
import sys
from typing import Any, List

from nas_edge.errors import EnvironmentProblem

# What torchvision declares fakes for when it is imported; qnms from 0.28 on.
_OPERATORS = ("nms", "qnms")
_SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
_declared: List[Any] = []  # a library's declarations live as long as it does


def import_torchvision() -> Any:
    """Return torchvision, with its operators declared where its compiled part does not do it.

    Raises:
        EnvironmentProblem: If it is not installed or cannot be imported even so.
    """
    try:
        return _imported()
    except ImportError as err:
        raise EnvironmentProblem(
            f"torchvision cannot be imported ({err}); install the one that belongs to this torch "
            "(`nas-edge doctor` says which)"
        ) from err
    except RuntimeError as err:
        if "torchvision::" not in str(err):
            raise
    return _imported_anew()


def _imported() -> Any:
    import torchvision
    import torchvision.models

    return torchvision


def _imported_anew() -> Any:
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    _declare_operators()
    try:
        return _imported()
    except (ImportError, RuntimeError) as err:
        raise EnvironmentProblem(
            f"torchvision does not match this torch ({' '.join(str(err).split())}); install the "
            "one that belongs to it (`nas-edge doctor` says which)"
        ) from err


def _declare_operators() -> None:
    from torch import library as registry

    make: Any = registry.Library
    library = make("torchvision", "FRAGMENT")
    for name in _OPERATORS:
        with contextlib.suppress(RuntimeError):  # the compiled part got as far as declaring it
            library.define(f"{name}{_SCHEMA}")
    _declared.append(library)
