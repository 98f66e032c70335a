"""The made-up run of the benchmark: random networks, nothing trained."""

import importlib.util

import pytest


@pytest.fixture(scope="session")
def made_up_run(repository):
    """Return the function that makes a run of so many candidates."""
    file = repository / "benchmarks" / "report_speed.py"
    spec = importlib.util.spec_from_file_location("report_speed", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made_up_run
