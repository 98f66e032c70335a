"""Every command of `nas-edge` that does something, by the words that call it."""

import click

from nas_edge.cli.main import main


def leaves(group, path=()):
    """Yield every command that does something, with the words that call it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, (*path, name))
        else:
            yield (*path, name), command


def options_of(command):
    return {name for param in command.params for name in (*param.opts, *param.secondary_opts)}


COMMANDS = dict(leaves(main))
