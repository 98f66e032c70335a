"""What a study asks for and this device cannot do, refused before anything trains."""

from __future__ import annotations

from nas_edge.candidate.optimizer_check import check_optimizer
from nas_edge.config.reproduction import SPACE as NAMED_NETWORKS
from nas_edge.config.study import StudyConfig
from nas_edge.device.machine import Device
from nas_edge.errors import ConfigError
from nas_edge.space.training_choices import searched_recipes
from nas_edge.training.recipe import check_precision


def check_trainable(config: StudyConfig, device: Device, where: str) -> None:
    """Refuse a recipe that no candidate could be trained by, here or at all.

    Raises:
        ConfigError: Naming file, key, rule and value.
    """
    if config.recipe.trainable == "head" and config.space != NAMED_NETWORKS:
        raise ConfigError(
            f"{where}: recipe.trainable must be all in a search, whose networks have nothing to "
            "keep frozen, but got head; nas-edge reproduce --setting frozen transfers a network"
        )
    recipes = searched_recipes(config)
    try:
        for recipe in {r.precision: r for r in recipes}.values():
            section = "recipe" if recipe.precision == config.recipe.precision else "search"
            check_precision(recipe, device.kind, f"{section}.precision")
        for recipe in {r.optimizer: r for r in recipes}.values():
            section = "recipe" if recipe.optimizer == config.recipe.optimizer else "search"
            check_optimizer(recipe, device, f"{section}.optimizer")
    except ConfigError as err:
        raise ConfigError(f"{where}: {err}") from err
