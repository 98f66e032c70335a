"""Which networks are parts of which others: layer by layer no wider."""

from __future__ import annotations

from nas_edge.space.plan import Block, Plan


def is_as_wide(wide: Plan, narrow: Plan) -> bool:
    """Return whether a network is as wide as another, or wider, in every layer.

    A squeeze layer of the narrow one alone is no objection; where the wide one has one, the narrow
    one needs one too.
    """
    if len(wide.blocks) != len(narrow.blocks):
        return False
    stems, tails = zip(wide.stem, narrow.stem), zip(wide.tail, narrow.tail)
    return (
        all(a.out_channels >= b.out_channels for a, b in stems)
        and all(a.out_channels >= b.out_channels for a, b in tails)
        and all(_is_block_as_wide(*pair) for pair in zip(wide.blocks, narrow.blocks))
    )


def _is_block_as_wide(wide: Block, narrow: Block) -> bool:
    new = len(narrow.convs) - len(wide.convs)
    pairs = zip(wide.convs, narrow.convs[max(new, 0) :])
    return 0 <= new <= 1 and all(a.out_channels >= b.out_channels for a, b in pairs)
