"""The commands that look at spaces, networks and shipped files."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import click

from nas_edge.candidate.estimate import CostEstimate, estimate_cost
from nas_edge.cli.find import finalist_of, find, find_calibration, measured_of
from nas_edge.config.files import load_yaml, shipped_files, validated
from nas_edge.config.units import format_bytes
from nas_edge.errors import ConfigError
from nas_edge.models.counts import LayerCount, count_layers, count_model, total_of
from nas_edge.space.architecture import Architecture
from nas_edge.space.baselines import Network
from nas_edge.space.search_space import SearchSpace


def show_command(
    what: str, as_json: bool, image_size: Optional[int], classes: Optional[int]
) -> None:
    """Print a space's choices, or a network's layers."""
    name, found, defaults = find(what)
    image_size = image_size or defaults["image_size"]
    classes = classes or defaults["classes"]
    if isinstance(found, SearchSpace):
        _show_space(found, image_size, classes, as_json)
    else:
        _show_network(name, found, image_size, classes, as_json)
        line = None if as_json else finalist_of(what)
        if line is not None:
            click.echo(line)


def estimate_command(
    what: str, as_json: bool, exact: bool, saver: Optional[str], **options: Any
) -> None:
    """Print what training costs, by part."""
    from nas_edge.config.study import RecipeConfig

    name, found, defaults = find(what)
    settings = {**defaults, **{key: value for key, value in options.items() if value is not None}}
    classes = settings.pop("classes")
    recipe = validated(RecipeConfig, settings, what)
    networks = found.references if isinstance(found, SearchSpace) else {name: found}
    if not networks:
        raise ConfigError(f"{what}: has no references to estimate; name an architecture")
    estimates = [
        (one, saver_name, cost)
        for one, network in networks.items()
        for saver_name, cost in _estimates(
            network, recipe, _num_outputs(classes), find_calibration(what), exact, saver
        )
    ]
    if as_json:
        click.echo(json.dumps([_estimate_row(*estimate) for estimate in estimates], indent=1))
        return
    parts = f" in parts of {recipe.micro_batch}" if recipe.micro_batch else ""
    if saver == "all":
        for line in _saver_lines(estimates):
            click.echo(line)
    for one, saver_name, cost in estimates:
        saved = "" if saver_name == "none" else f", memory saver {saver_name}"
        click.echo(
            f"{one}: {recipe.image_size} px, batch {recipe.batch_size}{parts}, {recipe.optimizer}, "
            f"{recipe.precision}, {classes} classes{saved}; by part at the moment of the peak"
        )
        for line in _estimate_lines(cost):
            click.echo(line)
    measured = measured_of(what)
    if measured is not None:
        click.echo(measured)


def _saver_lines(estimates: Sequence[Tuple[str, str, CostEstimate]]) -> Iterator[str]:
    """Compare the savers of each network: peak, and its share of what no saver needs."""
    yield f"{'memory saver':<22}{'peak':>14}"
    whole: Dict[str, float] = {}
    for name, saver, cost in estimates:
        whole.setdefault(name, cost.peak_bytes)
        share = f"{100 * cost.peak_bytes / whole[name]:5.0f}%"
        of_several = f"   {name}" if len({one for one, _, _ in estimates}) > 1 else ""
        yield f"  {saver:<20}{format_bytes(cost.peak_bytes):>14}   {share}{of_several}"


def _estimates(
    network: Network,
    recipe: Any,
    num_outputs: int,
    calibration: Any,
    exact: bool,
    saver: Optional[str],
) -> List[Tuple[str, CostEstimate]]:
    """Return estimates by the memory saver's name: the quick tier, or what needs the exact one."""
    is_quick = isinstance(network, Architecture) and recipe.trainable == "all"
    if is_quick and not exact and saver in (None, "none"):
        assert isinstance(network, Architecture)
        return [("none", estimate_cost(network, recipe, num_outputs, calibration=calibration))]
    from nas_edge.candidate.simulation import estimate_exactly
    from nas_edge.training.savers import Saver, usable_savers

    savers = usable_savers(recipe) if saver == "all" else [Saver.of(saver or "none")]
    is_template = isinstance(network, Architecture) and recipe.trainable == "all"
    if not is_template and saver not in (None, "none", "all"):
        raise ConfigError(
            "--memory-saver must be none for a network outside the template or with a frozen "
            f"body, but got {saver}"
        )
    if not is_template:
        savers = [Saver()]
    return [
        (
            one.name,
            estimate_exactly(network, recipe, num_outputs, saver=one, calibration=calibration),
        )
        for one in savers
    ]


def _estimate_row(name: str, saver: str, cost: CostEstimate) -> Dict[str, Any]:
    return {
        "name": name,
        "memory_saver": saver,
        "num_params": cost.num_params,
        "num_trainable": cost.num_trainable,
        "macs": cost.macs,
        "parts_bytes": dict(cost.parts),
        "peak_bytes": cost.peak_bytes,
        "lower_bound_bytes": cost.lower_bound_bytes,
        "latency_ms": cost.latency_ms,
        "source": cost.source,
    }


def _estimate_lines(cost: CostEstimate) -> Iterator[str]:
    yield f"  parameters {cost.num_params:>14,}   MACs {cost.macs:,} an image"
    for part, size in cost.parts.items():
        share = 100 * size / cost.simulated_bytes
        yield f"  {part:<20}{format_bytes(size):>14}   {share:4.1f}%"
    if cost.calibration is None:
        yield f"  {'peak':<20}{format_bytes(cost.peak_bytes):>14}   estimated, not measured"
        return
    yield f"  {'sum':<20}{format_bytes(cost.simulated_bytes):>14}"
    yield f"  {'peak':<20}{format_bytes(cost.peak_bytes):>14}   {cost.calibration.source}"
    if cost.latency_ms is not None:
        yield f"  {'latency':<20}{cost.latency_ms:>11.3g} ms   a first guess from the MACs, batch 1"


def list_command(kind: str) -> None:
    """Print the shipped files of a kind."""
    for name, path in shipped_files(kind).items():
        click.echo(f"{name:<22}{load_yaml(path).get('description', '')}")
        click.echo(f"{'':<22}{path}")


def _num_outputs(classes: int) -> int:
    return 1 if classes == 2 else classes


def _show_space(space: SearchSpace, image_size: int, classes: int, as_json: bool) -> None:
    num_outputs = _num_outputs(classes)
    references = {
        name: asdict(count_model(point.plan, image_size, num_outputs))
        for name, point in space.references.items()
    }
    if as_json:
        data = {"name": space.name, "num_points": space.num_points, "choices": space.fingerprint()}
        click.echo(json.dumps({**data, "references": references}, indent=1))
        return
    click.echo(f"{space.name}: {space.num_points:,} points, {len(space.searched)} choices")
    for name, values in space.choices.items():
        fixed = "   (fixed)" if len(values) == 1 else ""
        click.echo(f"  {name:<24}{', '.join(map(str, values))}{fixed}")
    for name, counts in references.items():
        click.echo(
            f"  {name}: {counts['num_params']:,} parameters, "
            f"{counts['macs']:,} MACs at {image_size} px"
        )


def _show_network(
    name: str, network: Network, image_size: int, classes: int, as_json: bool
) -> None:
    rows = _layers(network, image_size, _num_outputs(classes))
    totals = total_of(rows)
    if as_json:
        data: Dict[str, Any] = {
            "name": name,
            "key": network.key,
            "architecture": network.to_dict(),
        }
        click.echo(
            json.dumps(
                {**data, **asdict(totals), "layers": [asdict(row) for row in rows]}, indent=1
            )
        )
        return
    click.echo(f"{name}   key {network.key}   {image_size} px, {classes} classes")
    if isinstance(network, Architecture):
        click.echo(network.to_yaml().rstrip())
    click.echo(f"{'layer':<22}{'kind':<20}{'output':<18}{'parameters':>12}{'MACs':>16}")
    for line in _layer_lines(rows):
        click.echo(line)
    click.echo(f"{'total':<60}{totals.num_params:>12,}{totals.macs:>16,}")
    click.echo(f"{'trainable':<60}{totals.num_trainable:>12,}")


def _layers(network: Network, image_size: int, num_outputs: int) -> List[LayerCount]:
    """Count by arithmetic where there is a plan; torch is imported for others alone."""
    if isinstance(network, Architecture):
        return count_layers(network.plan, image_size, num_outputs)
    from nas_edge.models.network import count_network_layers

    return count_network_layers(network, image_size, num_outputs)


def _layer_lines(rows: List[LayerCount]) -> List[str]:
    return [
        f"{row.name:<22}{row.kind:<20}{'x'.join(map(str, row.out_shape)):<18}"
        f"{row.num_params:>12,}{row.macs:>16,}"
        for row in rows
    ]
