"""Draws docs/images/synthetic_sheet.png: a row of examples for every class of the synthetic set.

    python benchmarks/synthetic_sheet.py [--out FILE] [--boxes]

Difficulty grows from the left column (0) to the right one (1).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from nas_edge.data.synthetic import Drawing, SyntheticPcb

COLUMNS = 8
CELL_PX = 88
GAP_PX = 3
LABEL_PX = 110
HEADER_PX = 18


def draw_sheet(has_boxes: bool) -> Image.Image:
    """Return the sheet: one row a class, one column a difficulty."""
    names = SyntheticPcb(num_classes=7).class_names
    pitch = CELL_PX + GAP_PX
    sheet = Image.new("RGB", (LABEL_PX + COLUMNS * pitch, HEADER_PX + len(names) * pitch), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default()
    for column in range(COLUMNS):
        difficulty = column / (COLUMNS - 1)
        dataset = SyntheticPcb(num_classes=7, image_size=CELL_PX, difficulty=difficulty)
        left = LABEL_PX + column * pitch
        pen.text((left, 2), f"difficulty {difficulty:.2f}", fill="black", font=font)
        for row, name in enumerate(names):
            top = HEADER_PX + row * pitch
            pen.text((4, top + CELL_PX // 2 - 6), name.replace("_", " "), fill="black", font=font)
            drawing = dataset.draw_annotated("test", column * len(names) + row)
            sheet.paste(_cell(drawing, has_boxes), (left, top))
    return sheet


def _cell(drawing: Drawing, has_boxes: bool) -> Image.Image:
    cell = Image.fromarray(drawing.image)
    if has_boxes and drawing.box is not None:
        left, top, right, bottom = drawing.box
        frame = (left - 2, top - 2, right + 1, bottom + 1)
        ImageDraw.Draw(cell).rectangle(frame, outline="yellow")
    return cell


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw the README's sheet of synthetic images.")
    parser.add_argument("--out", type=Path, default=Path("docs/images/synthetic_sheet.png"))
    parser.add_argument("--boxes", action="store_true", help="frame the defects")
    options = parser.parse_args()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    # A palette without dither keeps the file small; k-means keeps the rare colours of defects.
    sheet = draw_sheet(options.boxes).quantize(256, kmeans=3, dither=Image.Dither.NONE)
    sheet.save(options.out, optimize=True)
    print(f"{options.out}: {options.out.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
