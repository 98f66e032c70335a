"""Optuna's dashboard beside a run: notes, plots, and a server on this machine."""
