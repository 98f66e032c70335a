"""Optuna, imported without a word about the progress bars that it could show in a notebook."""

from __future__ import annotations

import warnings
from typing import Any


def import_optuna() -> Any:
    """Return Optuna; the first import of a process belongs here.

    It imports tqdm, which in a notebook without ipywidgets warns that its bars cannot be drawn. No
    bar is ever asked for here.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        import optuna
    return optuna
