"""A small PCB defect set drawn with NumPy and Pillow, for trials without a download."""

from __future__ import annotations

from nas_edge.data.synthetic.boards import BoardDrawing, SyntheticBoards
from nas_edge.data.synthetic.caltech_layout import write_caltech101
from nas_edge.data.synthetic.dataset import SPLITS, Drawing, SyntheticPcb
from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.data.synthetic.folders import write_class_folders
from nas_edge.data.synthetic.hripcb_layout import write_hripcb
from nas_edge.data.synthetic.parameters import DrawingParameters, parameters_at

__all__ = [
    "DEFECT_KINDS",
    "SPLITS",
    "BoardDrawing",
    "Drawing",
    "DrawingParameters",
    "SyntheticBoards",
    "SyntheticPcb",
    "parameters_at",
    "write_caltech101",
    "write_class_folders",
    "write_hripcb",
]
