"""Thin commands over the library. Nothing heavy is imported before it is needed."""

from __future__ import annotations

import math
from typing import Any, Optional, Tuple

import click

from nas_edge.cli.streams import drop_unwritable, is_of_output, prepare_streams, say
from nas_edge.errors import EnvironmentProblem, NasEdgeError
from nas_edge.version import __version__

SAVER_NAMES = ("none", "optimizer", "unit", "unit+optimizer", "block", "block+optimizer")


class _Group(click.Group):
    """Prints an error of ours as one line with its exit code; a traceback only with --debug."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        try:
            return super().make_context(*args, **kwargs)
        except click.UsageError as err:
            if err.ctx is None:
                raise
            _raise_in_one_line(err, err.ctx)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        prepare_streams()
        try:
            return super().invoke(ctx)
        except click.UsageError as err:
            _raise_in_one_line(err, ctx)
        except NasEdgeError as err:
            if ctx.params.get("debug"):
                raise
            self._end(ctx, f"error: {' '.join(str(err).split())}", err.exit_code)
        except KeyboardInterrupt:
            self._end(ctx, "interrupted", 130)
        except SystemExit as end:  # rich makes one of a reader who has enough
            if not isinstance(end.__context__, BrokenPipeError):
                raise
            ctx.exit(0)
        except OSError as err:
            if ctx.params.get("debug") or not is_of_output(err):
                raise
            if isinstance(err, BrokenPipeError):  # the reader has enough
                drop_unwritable()
                ctx.exit(0)
            why = f"error: the output cannot be written ({err.strerror or err}); "
            again = "mend that and run the same command again"
            self._end(ctx, why + again, EnvironmentProblem.exit_code)

    @staticmethod
    def _end(ctx: click.Context, text: str, exit_code: int) -> None:
        say(f"nas-edge: {text}")
        drop_unwritable()
        ctx.exit(exit_code)


def _raise_in_one_line(err: click.UsageError, ctx: click.Context) -> None:
    """Have click print a wrong option as every other error: one line with the next step."""
    if type(err).__name__ == "NoArgsIsHelpError":  # newer click's way to print the help
        raise err
    text = " ".join(err.format_message().split()).rstrip(".")
    command = (err.ctx or ctx).command_path
    click.echo(f"nas-edge: error: {text}; see {command} --help", err=True)
    ctx.exit(err.exit_code)


class _NumberRange(click.FloatRange):
    """A range without NaN, which lies in every one of click's."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


def _not_empty(_: click.Context, __: click.Parameter, value: Optional[str]) -> Optional[str]:
    if value == "":
        raise click.BadParameter("must not be empty")
    return value


def _events_option(command: Any) -> Any:
    return click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="Every event as a line of JSON on stdout; with --quiet the last one alone.",
    )(command)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nas-edge")
@click.option(
    "--debug", is_flag=True, help="Show a traceback where an error is reported in one line."
)
def main(debug: bool) -> None:
    """Search for networks that train well in little memory, on the device itself."""


@main.command()
@click.argument("study")
@click.option(
    "--data", metavar="DIR", help="Images: DIR/{train,val,test}/<class>/, or one folder of classes."
)
@click.option(
    "--trials", type=click.IntRange(min=1), help="Candidates in all, references included."
)
@click.option(
    "--epochs",
    type=click.IntRange(1, 100000),
    help="For a first look; with other epochs it is another study: give it an --out of its own.",
)
@click.option(
    "--time-budget", metavar="TIME", help="Stop starting candidates after this time, e.g. 8h."
)
@click.option(
    "--memory-limit", metavar="SIZE", help="What a candidate's training may need, e.g. 4GiB."
)
@click.option(
    "--memory-saver",
    type=click.Choice(["auto", *SAVER_NAMES]),
    help="How networks that do not fit are trained to the same weights in less memory "
    "[default: the study's, or auto: the fastest that fits].",
)
@click.option(
    "--storage",
    metavar="URL",
    help="Database for the trials; SQLite in the run folder if not given.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(),
    callback=_not_empty,
    help="The run's folder [default: runs/<study>].",
)
@click.option(
    "--pruner",
    type=click.Choice(["front", "screen", "none"]),
    help="Which candidates are stopped early. [default: the study's own].",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**31 - 1),
    help="Decides every suggestion and training.",
)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option("--skip-damaged", is_flag=True, help="Leave damaged images out instead of stopping.")
@click.option("--quiet", is_flag=True, help="Print the front only.")
@_events_option
def run(study: str, **options: Any) -> None:
    """Run STUDY (a file or a shipped name), or go on with it where it stopped."""
    from nas_edge.cli.run import run_command

    run_command(study, **options)


@main.command()
@click.argument("networks", nargs=-1, metavar="[NETWORK]...")
@click.option("--all", "every", is_flag=True, help="Each of the paper's networks, and SqueezeNet.")
@click.option(
    "--task",
    type=click.Choice(["pcb", "caltech101", "synthetic"]),
    default="synthetic",
    show_default=True,
)
@click.option(
    "--setting",
    type=click.Choice(["scratch", "frozen", "finetune"]),
    default="scratch",
    show_default=True,
    help="New weights; a trained network with a new last layer alone trained; or all of it.",
)
@click.option(
    "--from",
    "source",
    metavar="RUN[:TRIAL]",
    help="The trained network that frozen and finetune begin with; a candidate of a search, too.",
)
@click.option(
    "--recipe",
    type=click.Choice(["paper", "fixed"]),
    default="paper",
    show_default=True,
    help="The authors' code as it is, or without its second softmax.",
)
@click.option("--data", metavar="DIR", help="The task's images; none for the synthetic set.")
@click.option(
    "--epochs", type=click.IntRange(1, 100000), help="[default: 60; finetune 20; synthetic 8]"
)
@click.option("--image-size", type=click.IntRange(8, 2048), help="[default: 224; synthetic 48]")
@click.option(
    "--bn-momentum",
    type=_NumberRange(0, 1, min_open=True),
    help="Of normalisations, in PyTorch's sense [default: as each network has it in Keras; "
    "synthetic 0.1]",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(),
    callback=_not_empty,
    help="The run's folder [default: runs/reproduce-TASK-SETTING[-fixed][-seedN]].",
)
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True)
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option("--quiet", is_flag=True, help="Print the rows only.")
@_events_option
def reproduce(networks: Tuple[str, ...], **options: Any) -> None:
    """Train NETWORKs of the paper by its recipe, beside the published figures.

    NETWORK is xception-lite, xception, xception-lite-text, efficientnetv2-b1, mobilenetv2 or
    squeezenet. One that was asked for before and not finished goes first.
    """
    from nas_edge.cli.reproduce import reproduce_command

    reproduce_command(networks, **options)


@main.command()
@click.argument("path", metavar="RUN", type=click.Path())
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    default=3,
    show_default=True,
    help="Trainings of each network; one alone gives no interval.",
)
@click.option(
    "--fronts",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="How many fronts; 2: also what only the front dominates, maybe by luck.",
)
@click.option("--epochs", type=click.IntRange(1, 100000), help="[default: the study's]")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True
)
@click.option(
    "--time-budget",
    metavar="TIME",
    help="Stop starting trainings after this time, e.g. 2h; a network's first comes first.",
)
@click.option("--quiet", is_flag=True, help="Print the finalists only.")
@_events_option
def finalize(path: str, **options: Any) -> None:
    """Train RUN's best and handcrafted networks again, and look at the test images.

    Each from several new seeds, from scratch and at full length: the mean test accuracy with its
    interval, and the probability that a network dominates the paper's configuration. Run again, it
    goes on where it stopped; with more --seeds or --fronts, or once the front is another, it adds
    what is new.
    """
    from nas_edge.cli.finalize import finalize_command

    finalize_command(path, **options)


@main.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--confidence",
    type=_NumberRange(0.5, 1, max_open=True),
    help="Leave out only what another network beats with this confidence, e.g. 0.9.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON with unit and source of every figure.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV.")
def front(runs: Tuple[str, ...], confidence: Optional[float], as_json: bool, as_csv: bool) -> None:
    """Show the Pareto front of RUN, with the handcrafted networks in it.

    Several RUNs that differ in the seed alone are one front: a network that more than one trained
    is one point, its accuracy a mean with a 95% interval. --confidence takes the noise into
    account; a RUN's finalists (nas-edge finalize) count as repeats, too.
    """
    from nas_edge.cli.fronts import front_command

    front_command(runs, confidence, as_json, as_csv)


@main.command()
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path())
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    callback=_not_empty,
    help="- for the output [default: report.html, .md, .tex, ... in the first RUN]",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["html", "md", "latex", "csv", "png", "svg"]),
    default="html",
    show_default=True,
    help="The page; or the front alone, as a table or a picture.",
)
@click.option("--accuracy-frontier", type=_NumberRange(0, 1), help="[default: the study's, or 0.7]")
def report(
    runs: Tuple[str, ...], out: Optional[str], kind: str, accuracy_frontier: Optional[float]
) -> None:
    """Write one HTML file about RUN that opens without a network, or its front as a file.

    Several RUNs stand side by side; figures that do not compare get axes of their own.
    """
    from nas_edge.cli.fronts import report_command

    report_command(runs, out, kind, accuracy_frontier)


@main.command()
@click.argument("what", metavar="RUN | STORAGE-URL", callback=_not_empty)
@click.option("--port", type=click.IntRange(1, 65535), help="[default: 8080, or a free one]")
@click.option(
    "--host",
    metavar="HOST",
    default="127.0.0.1",
    show_default=True,
    callback=_not_empty,
    help="Any other lets everyone who reaches it read, change and delete the study.",
)
@click.option("--open", "is_opened", is_flag=True, help="Open the page in a browser.")
def dashboard(what: str, port: Optional[int], host: str, is_opened: bool) -> None:
    """Show a run in Optuna's dashboard, while it goes on and afterwards.

    Writes notes and plots into its storage and keeps them current. Ctrl-C ends it.
    """
    from nas_edge.cli.dashboard import dashboard_command

    dashboard_command(what, port, host, is_opened)


def _network_options(command: Any) -> Any:
    for option in (
        click.option(
            "--image-size", type=click.IntRange(8, 2048), help="[default: the run's, or 224]"
        ),
        click.option(
            "--classes", type=click.IntRange(2, 100000), help="[default: the run's, or 2]"
        ),
    ):
        command = option(command)
    return command


@main.command()
@click.argument("what")
@_network_options
@click.option("--json", "as_json", is_flag=True)
def show(what: str, as_json: bool, **options: Any) -> None:
    """Show WHAT: a space, an architecture (a file or e.g. "xception-lite x0.25"), or RUN:TRIAL."""
    from nas_edge.cli.views import show_command

    show_command(what, as_json, **options)


@main.command()
@click.argument("what")
@_network_options
@click.option("--batch-size", type=click.IntRange(2, 65536), help="[default: the run's, or 16]")
@click.option(
    "--micro-batch",
    type=click.IntRange(2, 65536),
    help="Images at once [default: the run's, or the batch]",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adam", "adamw", "sgd", "adam8bit"]),
    help="[default: the run's, or adam]",
)
@click.option(
    "--precision",
    type=click.Choice(["fp32", "bf16", "fp16"]),
    help="[default: the run's, or fp32]",
)
@click.option(
    "--memory-saver",
    type=click.Choice([*SAVER_NAMES, "all"]),
    help="What is recomputed instead of kept, and where the optimizer steps; implies --exact.",
)
@click.option("--exact", is_flag=True, help="Follow a training step's storages (a second).")
@click.option("--json", "as_json", is_flag=True)
def estimate(
    what: str, as_json: bool, exact: bool, memory_saver: Optional[str], **options: Any
) -> None:
    """Estimate the cost of training WHAT: an architecture, RUN:TRIAL, or a space's references.

    A trial's estimate is set right by the probes that its run made.
    """
    from nas_edge.cli.views import estimate_command

    estimate_command(what, as_json, exact, memory_saver, **options)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="What a study would train on.",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(),
    callback=_not_empty,
    default="runs",
    show_default=True,
    help="Where a study would keep its run.",
)
def doctor(as_json: bool, device: str, out: str) -> None:
    """Look this machine over: would a study run, what is measured, how to mend what is wrong.

    Exits with 1 if a study would not run.
    """
    from nas_edge.cli.doctor import doctor_command

    doctor_command(as_json, device, out)


@main.group()
def paper() -> None:
    """Show the paper's tables and figures beside runs of this machine."""


def _history_option(command: Any) -> Any:
    return click.option(
        "--history",
        metavar="DIR",
        type=click.Path(),
        callback=_not_empty,
        help="The authors' per-epoch logs: DIR/{caltech101,pcb_scratch,...}/<network>.csv.",
    )(command)


@paper.command("tables")
@click.argument("runs", metavar="[RUN]...", type=click.Path(), nargs=-1)
@_history_option
@click.option("--json", "as_json", is_flag=True, help="JSON with place and unit of every figure.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV, one line a figure.")
@click.option("--format", "form", type=click.Choice(["md", "latex"]), help="Markdown or LaTeX.")
def paper_tables(runs: Tuple[str, ...], **options: Any) -> None:
    """Show Tables 1 and 2 as published, beside the handcrafted networks of each RUN.

    Runs that differ in the seed alone become a mean with its standard deviation. With --history
    each published cell is held against the authors' logs.
    """
    from nas_edge.cli.paper import tables_command

    tables_command(runs, **options)


@paper.command("figures")
@click.argument("runs", metavar="[RUN]...", type=click.Path(), nargs=-1)
@_history_option
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(),
    callback=_not_empty,
    default="paper-figures",
    show_default=True,
)
def paper_figures(runs: Tuple[str, ...], **options: Any) -> None:
    """Write Figures 3 and 4, as published and of each RUN: one HTML file and PNGs."""
    from nas_edge.cli.paper import figures_command

    figures_command(runs, **options)


@main.command()
def spaces() -> None:
    """List the shipped search spaces."""
    from nas_edge.cli.views import list_command

    list_command("search_spaces")


@main.command()
def studies() -> None:
    """List the shipped studies."""
    from nas_edge.cli.views import list_command

    list_command("studies")


@main.group()
def data() -> None:
    """Make image sets, and look them over."""


@data.command("synthetic")
@click.option("--out", metavar="DIR", type=click.Path(), required=True)
@click.option(
    "--layout",
    type=click.Choice(["crops", "hripcb", "caltech101"]),
    default="crops",
    show_default=True,
    help="Folders of classes, whole boards with boxes like HRIPCB's, or Caltech-101's folders.",
)
@click.option("--classes", type=click.Choice(["2", "7"]), default="2", show_default=True)
@click.option("--image-size", type=click.IntRange(16, 1024), default=64, show_default=True)
@click.option(
    "--counts",
    type=(click.IntRange(1), click.IntRange(1), click.IntRange(1)),
    default=(1000, 400, 400),
    show_default=True,
    metavar="TRAIN VAL TEST",
)
@click.option(
    "--boards", type=click.IntRange(1, 99), default=5, show_default=True, help="Of hripcb."
)
@click.option(
    "--images",
    type=click.IntRange(1),
    default=4,
    show_default=True,
    help="Of each defect of a board (hripcb), or of each category (caltech101).",
)
@click.option(
    "--board-size",
    type=(click.IntRange(64, 8192), click.IntRange(64, 8192)),
    default=(600, 480),
    show_default=True,
    metavar="WIDTH HEIGHT",
    help="In pixels, of hripcb.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--difficulty", type=_NumberRange(0, 1), default=0.5, show_default=True)
def synthetic(
    out: str,
    layout: str,
    classes: str,
    image_size: int,
    counts: Tuple[int, int, int],
    boards: int,
    images: int,
    board_size: Tuple[int, int],
    seed: int,
    difficulty: float,
) -> None:
    """Write the synthetic PCB set as folders of classes, or in the layout of a public set."""
    from nas_edge.cli.data import synthetic_command
    from nas_edge.cli.layouts import caltech_command, check_options, hripcb_command

    check_options(layout)
    drawing = {"seed": seed, "difficulty": difficulty}
    if layout == "hripcb":
        hripcb_command(out, boards, images, board_size, **drawing)
    elif layout == "caltech101":
        caltech_command(out, int(classes), image_size, images, **drawing)
    else:
        synthetic_command(out, int(classes), image_size, counts, seed, difficulty)


@data.command("prepare-pcb")
@click.option(
    "--source",
    metavar="PCB_DATASET",
    type=click.Path(),
    required=True,
    help="HRIPCB's folder, with images/<Defect>/ and Annotations/<Defect>/.",
)
@click.option("--out", metavar="DIR", type=click.Path(), required=True, callback=_not_empty)
@click.option(
    "--defects",
    type=click.Choice(["binary", "six"]),
    default="binary",
    show_default=True,
    help="Classes: normal and defect, or normal and each of the six defects.",
)
@click.option(
    "--size", type=click.IntRange(16, 2048), default=224, show_default=True, help="In pixels."
)
@click.option(
    "--count", type=click.IntRange(6), default=20_000, show_default=True, help="Crops, at most."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--val",
    type=_NumberRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of boards and crops.",
)
@click.option(
    "--test",
    type=_NumberRange(0, 1, min_open=True, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of boards and crops.",
)
@click.option(
    "--per-defect",
    type=click.IntRange(1),
    default=20,
    show_default=True,
    help="Most crops of one defect.",
)
@click.option("--workers", type=click.IntRange(1), help="[default: all cores]")
def prepare_pcb(source: str, out: str, workers: Optional[int], **options: Any) -> None:
    """Cut HRIPCB's boards into DIR/{train,val,test}/<class>/, split by board before anything else.

    As many crops of each class; the same options give the same bytes. Run again after it was
    stopped, it goes on.
    """
    from nas_edge.cli.prepare import prepare_command

    prepare_command(source, out, workers, **options)


@data.group("fetch")
def fetch() -> None:
    """Get public image sets."""


@fetch.command("caltech101")
@click.option("--out", metavar="DIR", type=click.Path(), required=True, callback=_not_empty)
@click.option(
    "--archive",
    metavar="FILE",
    type=click.Path(),
    callback=_not_empty,
    help="caltech-101.zip or 101_ObjectCategories.tar.gz; without it, a download.",
)
@click.option("--any-hash", is_flag=True, help="Take an archive other than the published ones.")
def fetch_caltech(out: str, archive: Optional[str], any_hash: bool) -> None:
    """Get Caltech-101 into DIR, checked by hash (131 MiB)."""
    from nas_edge.cli.fetch import fetch_caltech_command

    fetch_caltech_command(out, archive, any_hash)


@data.command("audit")
@click.argument("folder", metavar="DIR", type=click.Path(), callback=_not_empty)
@click.option("--json", "as_json", is_flag=True, help="Everything as JSON, with every file's name.")
@click.option(
    "--distance",
    type=click.IntRange(0, 64),
    default=16,
    show_default=True,
    help="How many of 256 bits may differ in the hashes of near duplicates.",
)
@click.option(
    "--fix",
    metavar="OUT",
    type=click.Path(),
    callback=_not_empty,
    help="Write a clean copy: each image once, in test before val before train.",
)
@click.option("--near", is_flag=True, help="Leave near duplicates across splits out of the copy.")
def audit(folder: str, as_json: bool, distance: int, fix: Optional[str], near: bool) -> None:
    """Look the images of DIR over: duplicates, leakage, damage, balance, sizes.

    DIR holds train, val and test, each with a folder a class, or just the folders of classes. Exits
    with 1 if an image is in more than one split or under two labels, even if a clean copy is
    written.
    """
    from nas_edge.cli.audit import audit_command

    if near and fix is None:
        raise click.UsageError("--near says what --fix leaves out; give --fix OUT too")
    audit_command(folder, as_json, distance, fix, near)


if __name__ == "__main__":
    main()
