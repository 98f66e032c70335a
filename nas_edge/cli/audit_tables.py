"""An audit on the terminal: images by class and split, findings, and examples of each."""

from __future__ import annotations

from typing import Any, Iterator, List, NamedTuple, Sequence, Tuple

from nas_edge.data.audit import Audit, sizes_of
from nas_edge.data.audit.findings import TINY_SIDE
from nas_edge.data.audit.listing import UNSPLIT, count_files
from nas_edge.data.audit.summary import Sizes, Spread

OK, WARNING, PROBLEM, LEAKAGE = "ok", "warning", "problem", "leakage"
STYLES = {OK: "green", WARNING: "yellow", PROBLEM: "bold red", LEAKAGE: "bold red"}
NUM_EXAMPLES = 5
NUM_CLASSES = 30


class Finding(NamedTuple):
    """A row of the table: how bad, what, how much, and examples for below it."""

    state: str
    name: str
    found: str
    examples: Tuple[str, ...] = ()
    num_examples: int = 0


def print_tables(audit: Audit) -> None:
    """Print how many images there are of what, and every finding."""
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    console.print(Text(_title(audit)))
    console.print(_class_table(audit))
    console.print(_finding_table(findings(audit)))


def audit_lines(audit: Audit) -> Iterator[str]:
    """Yield examples of each finding, what the images are like, and the verdict."""
    for finding in findings(audit):
        for example in finding.examples:
            yield f"{finding.state}: {finding.name}: {example}"
        more = finding.num_examples - len(finding.examples)
        if more:
            yield f"{finding.state}: {finding.name}: {more:,} more; --json names all"
    sizes = sizes_of(audit)
    if sizes:
        yield _size_line(sizes)
    yield _verdict(audit)


def findings(audit: Audit) -> List[Finding]:
    """Return a row for everything that was looked for, found or not."""
    return [
        _same_image(audit, LEAKAGE, "same image in several splits", audit.in_several_splits),
        _same_image(audit, LEAKAGE, "same image under two labels", audit.under_two_labels),
        _same_image(audit, WARNING, "same image twice in a split", audit.repeated_within_split),
        _near(audit),
        _damaged(audit),
        _tiny(audit),
        _layout(audit),
    ]


def shown(name: str) -> str:
    """Return a name that any terminal can print in one line."""
    printable = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in printable)


def _same_image(audit: Audit, state: str, name: str, digests: Sequence[str]) -> Finding:
    if not digests:
        return Finding(OK, name, "none")
    files = sum(len(audit.copies[digest]) for digest in digests)
    examples = [_equal(audit, (digest,), " = ") for digest in digests[:NUM_EXAMPLES]]
    found = f"{_number(len(digests), 'image')} in {files:,} files"
    return Finding(state, name, found, tuple(examples), len(digests))


def _near(audit: Audit) -> Finding:
    groups = audit.near_groups
    name = "near duplicates"
    if not groups:
        return Finding(OK, name, "none")
    images = sum(len(group.digests) for group in groups)
    across_splits = sum(group.across_splits for group in groups)
    across_labels = sum(group.across_labels for group in groups)
    found = (
        f"{_number(images, 'image')} in {_number(len(groups), 'group')}, {across_splits:,} of them "
        f"across splits, {across_labels:,} across labels; look at some"
    )
    worst = sorted(groups, key=lambda group: -(group.across_splits + group.across_labels))
    examples = [_equal(audit, group.digests, " ~ ") for group in worst[:NUM_EXAMPLES]]
    return Finding(WARNING, name, found, tuple(examples), len(groups))


def _damaged(audit: Audit) -> Finding:
    damaged = audit.readings.damaged
    if not damaged:
        return Finding(OK, "damaged files", "none")
    examples = [
        f"{shown(one.path.relative_to(audit.listing.root).as_posix())}: {shown(one.reason)}"
        for one in damaged[:NUM_EXAMPLES]
    ]
    found = _number(len(damaged), "file")
    return Finding(PROBLEM, "damaged files", found, tuple(examples), len(damaged))


def _tiny(audit: Audit) -> Finding:
    name = f"tiny images (a side under {TINY_SIDE} px)"
    if not audit.tiny:
        return Finding(OK, name, "none")
    examples = tuple(shown(audit.listing.name(file)) for file in audit.tiny[:NUM_EXAMPLES])
    return Finding(WARNING, name, _number(len(audit.tiny), "file"), examples, len(audit.tiny))


def _layout(audit: Audit) -> Finding:
    gaps = tuple(shown(gap) for gap in audit.listing.gaps)
    if not gaps:
        return Finding(OK, "layout", "as a study takes it")
    found = f"not as a study takes it, for {_number(len(gaps), 'reason')}"
    return Finding(PROBLEM, "layout", found, gaps[:NUM_EXAMPLES], len(gaps))


def _equal(audit: Audit, digests: Sequence[str], sign: str) -> str:
    names = [shown(audit.listing.name(f)) for digest in digests for f in audit.copies[digest]]
    more = f" and {len(names) - 4:,} more" if len(names) > 4 else ""
    return sign.join(names[:4]) + more


def _title(audit: Audit) -> str:
    files = _number(len(audit.listing.files), "file")
    images = _number(len(audit.readings.contents), "distinct image")
    return f"{shown(str(audit.listing.root))}: {files}, {images}"


def _class_table(audit: Audit) -> Any:
    from rich.table import Table
    from rich.text import Text

    listing, counts = audit.listing, count_files(audit.listing)
    table = Table(show_footer=True)
    table.add_column("class", footer="all")
    totals = {split: sum(counts[split].values()) for split in listing.splits}
    for split in listing.splits:
        header = "images" if split == UNSPLIT else split
        table.add_column(header, justify="right", footer=f"{totals[split]:,}")
    for name in listing.class_names[:NUM_CLASSES]:
        cells = [_share(counts[split][name], totals[split]) for split in listing.splits]
        table.add_row(Text(shown(name)), *cells)
    more = len(listing.class_names) - NUM_CLASSES
    if more > 0:
        table.add_row(f"{more:,} more", *("" for _ in listing.splits))
    return table


def _finding_table(rows: Sequence[Finding]) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    table.add_column(overflow="fold")
    for row in rows:
        table.add_row(Text(row.state, STYLES[row.state]), row.name, row.found)
    return table


def _share(count: int, total: int) -> str:
    return f"{count:,} ({count / total:.0%})" if total else "0"


def _size_line(sizes: Sizes) -> str:
    def spread(one: Spread) -> str:
        return f"{one.least:,g} to {one.greatest:,g} (median {one.median:,g})"

    def counted(names: Any) -> str:
        return ", ".join(f"{count:,} {name}" for name, count in names.items())

    return (
        f"sizes: width {spread(sizes.width_px)} px, height {spread(sizes.height_px)} px, files "
        f"{spread(sizes.file_bytes)} bytes; {counted(sizes.modes)}; {counted(sizes.formats)}"
    )


def _verdict(audit: Audit) -> str:
    where = shown(str(audit.listing.root))
    if audit.has_leakage:
        in_several = _number(len(audit.in_several_splits), "image")
        return (
            f"{where}: leakage: {in_several} in several splits, {len(audit.under_two_labels):,} "
            "under two labels; --fix OUT writes a clean copy"
        )
    if audit.repeated_within_split and not audit.listing.has_splits:
        return (
            f"{where}: no leakage yet, but a study will share the copies out over train, val and "
            "test; --fix OUT writes a copy with each image once"
        )
    return f"{where}: no leakage"


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("" if count == 1 else "s")
