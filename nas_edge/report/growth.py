"""The timeline as inline SVG: the front's growth over the time spent, and each candidate's part."""

from __future__ import annotations

from html import escape
from typing import List, Sequence

from nas_edge.candidate.measurement import FINISHED, INFEASIBLE, STOPPED
from nas_edge.config.units import format_seconds
from nas_edge.report.course import Step

_WIDTH, _HEIGHT = 720, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 712, 12, 130
_STRIP_TOP, _STRIP_HEIGHT = 138, 14

_KINDS = {FINISHED: "done", STOPPED: "early", **dict.fromkeys(INFEASIBLE, "tight")}


def growth_svg(steps: Sequence[Step]) -> str:
    """Return the figure's markup, names escaped; "" where no time was spent."""
    total_s = steps[-1].end_s if steps else 0.0
    if total_s <= 0:
        return ""
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" class="growth" role="img" aria-label="'
        f"Hypervolume of the front over {format_seconds(total_s)} of candidates' time"
        '">'
    ]
    parts += _grid(total_s)
    parts.append(f'<path class="line" d="{_path(steps, total_s)}"/>')
    parts += [_bar(step, total_s) for step in steps]
    parts.append("</svg>")
    return "".join(parts)


def _grid(total_s: float) -> List[str]:
    found = []
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        found.append(f'<line class="grid" x1="{_LEFT}" x2="{_RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        found.append(f'<text class="tick end" x="{_LEFT - 6}" y="{y + 4:.1f}">{share:.0%}</text>')
    for share, anchor in ((0.0, ""), (0.5, " middle"), (1.0, " end")):
        x = _LEFT + share * (_RIGHT - _LEFT)
        text = format_seconds(share * total_s)
        found.append(f'<text class="tick{anchor}" x="{x:.1f}" y="{_HEIGHT - 12}">{text}</text>')
    return found


def _path(steps: Sequence[Step], total_s: float) -> str:
    points = [f"M{_x(0.0, total_s):.1f},{_y(0.0):.1f}"]
    for step in steps:
        points.append(f"H{_x(step.end_s, total_s):.1f}V{_y(step.share):.1f}")
    return "".join(points)


def _bar(step: Step, total_s: float) -> str:
    x, end = _x(step.start_s, total_s), _x(step.end_s, total_s)
    kind = _KINDS.get(step.outcome, "lost")
    width = max(0.3, end - x - 0.8)
    about = f"{step.name}: {step.outcome.replace('_', ' ')}, "
    about += format_seconds(step.end_s - step.start_s)
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{_STRIP_TOP}" width="{width:.1f}" '
        f'height="{_STRIP_HEIGHT}"><title>{escape(about)}</title></rect>'
    )


def _x(seconds: float, total_s: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * seconds / total_s


def _y(share: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * share
