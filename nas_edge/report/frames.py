"""What a run holds as pandas DataFrames, for notebooks: the front, what the search learned, costs.

A column's name ends in its unit, memory in MiB, as in `Run.frame`. Nothing is rounded.
"""

from __future__ import annotations

from typing import Any, Dict, List, Mapping

from nas_edge.candidate.estimate import estimate_cost
from nas_edge.candidate.measurement import METRICS
from nas_edge.config.study import RecipeConfig
from nas_edge.report.finalists import ACCURACIES, FinalistRow, finalists_of
from nas_edge.report.learned import importances, shared_choices
from nas_edge.report.rows import format_metric, front_rows, metric_title, shown_metrics
from nas_edge.space.architecture import Architecture
from nas_edge.study.records import TrialRecord, column_of, metric_columns
from nas_edge.study.run import Run

_MIB = 2**20


def front_frame(run: Run) -> Any:
    """Return the front, with the handcrafted networks in their places, by the second objective.

    ``against_paper`` is how a candidate stands to the paper's configuration: it dominates it, is
    dominated by it, is equal to it, or neither (incomparable).
    """
    import pandas as pd

    found = front_rows(run.records, run.objectives)
    columns = _columns_of(run, shown_metrics(found, run.objectives))
    rows: List[Dict[str, Any]] = []
    for row in found:
        figures = metric_columns(row.record)
        rows.append(
            {
                "number": row.record.number,
                "name": row.record.name,
                "on_front": row.is_on_front,
                "against_paper": row.relation,
                **{column: figures.get(column) for column in columns},
            }
        )
    return pd.DataFrame(rows, columns=["number", "name", "on_front", "against_paper", *columns])


def finalists_frame(run: Run) -> Any:
    """Return a run's finalists as a pandas DataFrame, from the least memory on; columns with units.

    ``test_accuracy`` is a mean over ``num_seeds`` trainings from new seeds, ``test_accuracy_low``
    and ``..._high`` the ends of Student's 95% interval (missing for one seed). The column
    ``probability_dominates`` says how probably a network dominates the paper's configuration: 0
    where its memory is not lower, else the probability that its mean accuracy is not below
    (Welch's t). Empty where `nas_edge.finalize_run` has trained nothing yet.
    """
    import pandas as pd

    columns = ["number", "name", "on_front", "num_seeds"]
    columns += [f"{name}{end}" for name in ACCURACIES for end in ("", "_low", "_high")]
    columns += ["peak_memory_mib", "wall_s", "probability_dominates"]
    found = finalists_of(run)
    rows = [] if found is None else [_finalist_row(row) for row in found.rows]
    return pd.DataFrame(rows, columns=columns)


def metrics_frame(record: TrialRecord) -> Any:
    """Return every figure of a candidate, with what it was read from."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "figure": metric_title(name),
                "value": format_metric(name, metric.value),
                "read from": metric.source,
            }
            for name, metric in record.measurement.metrics.items()
        ],
        columns=["figure", "value", "read from"],
    )


def importance_frame(run: Run) -> Any:
    """Return what each choice matters: its share of each objective's variance, its best value.

    Empty where too few candidates finished to say.
    """
    import pandas as pd

    columns = [f"{what} {name}" for what in ("share of", "best for") for name in run.objectives]
    rows = [
        (one.choice, *one.shares, *one.best) for one in importances(run.records, run.objectives)
    ]
    return pd.DataFrame(rows, columns=["choice", *columns])


def shared_choices_frame(run: Run) -> Any:
    """Return the values that most of the front has, and clearly fewer of all candidates."""
    import pandas as pd

    columns = ["choice", "value", "share of the front", "share of all"]
    rows = [
        (one.choice, one.value, one.num_front / one.front_size, one.num_all / one.all_size)
        for one in shared_choices(run.records, run.objectives)
    ]
    return pd.DataFrame(rows, columns=columns)


def estimate_frame(run: Run) -> Any:
    """Return the peak training memory of each candidate as estimated and as measured."""
    import pandas as pd

    rows = []
    for record in run.records:
        estimated = record.measurement.details.get("estimate", {}).get("peak_bytes")
        measured = record.value("peak_memory")
        if estimated is not None and measured:
            figures = (estimated / _MIB, measured / _MIB, 100 * (estimated / measured - 1))
            rows.append((record.number, record.name, *figures))
    columns = ["number", "name", "estimated_mib", "measured_mib", "error_percent"]
    return pd.DataFrame(rows, columns=columns)


def cost_frame(
    networks: Mapping[str, Architecture],
    recipe: RecipeConfig,
    num_classes: int = 2,
    device: str = "cpu",
) -> Any:
    """Return what training networks would cost, estimated; nothing is allocated or trained.

    Args:
        networks: By name.
        recipe: How they would be trained: image size, batch, optimizer.
        num_classes: Two share one logit, as the paper has it.
        device: "cpu" or "cuda", which keeps no compiled kernels in the process's memory.
    Raises:
        SpaceError: If the images are too small for a network.
    """
    import pandas as pd

    rows = []
    for name, network in networks.items():
        num_outputs = 1 if num_classes == 2 else num_classes
        cost = estimate_cost(network, recipe, num_outputs, device=device)
        parts = {part.replace(" ", "_"): size for part, size in cost.parts.items()}
        rows.append(
            {
                "name": name,
                "params": cost.num_params,
                "macs": cost.macs,
                "peak_mib": cost.peak_bytes / _MIB,
                **{f"{part}_mib": size / _MIB for part, size in parts.items()},
            }
        )
    return pd.DataFrame(rows)


def _finalist_row(row: FinalistRow) -> Dict[str, Any]:
    figures: Dict[str, Any] = {}
    for name, mean in row.means.items():
        figures.update({name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high})
    return {
        "number": row.number,
        "name": row.name,
        "on_front": row.is_on_front,
        "num_seeds": len(row.seeds),
        **figures,
        "peak_memory_mib": None if row.peak_bytes is None else row.peak_bytes / _MIB,
        "wall_s": row.wall_s,
        "probability_dominates": row.probability,
    }


def _columns_of(run: Run, metrics: List[str]) -> List[str]:
    """Return the columns of metrics, by the units that the run's figures have or would have."""
    units = {name: kind.unit for name, kind in METRICS.items()}
    for record in run.records:
        units.update({name: one.unit for name, one in record.measurement.metrics.items()})
    return [column_of(name, units.get(name, ""))[0] for name in metrics]
