"""A small PCB defect set drawn with NumPy and Pillow, for trials without a download."""

from __future__ import annotations

from nas_edge.data.synthetic.dataset import SPLITS, Drawing, SyntheticPcb
from nas_edge.data.synthetic.defects import DEFECT_KINDS
from nas_edge.data.synthetic.folders import write_class_folders
from nas_edge.data.synthetic.parameters import DrawingParameters, parameters_at

__all__ = [
    "DEFECT_KINDS",
    "SPLITS",
    "Drawing",
    "DrawingParameters",
    "SyntheticPcb",
    "parameters_at",
    "write_class_folders",
]
