"""The paper's network in words and as a drawing, against its published table."""

from nas_edge.space.drawing import BAR, describe_architecture, draw_architecture
from nas_edge.space.references import parse_reference

LITE = parse_reference("xception-lite")


def test_words_name_widths_kernels_squeezes_and_down_sampling():
    text = " ".join(describe_architecture(LITE))

    assert "Stem: two 3×3 convolutions, 32 and 64 channels." in text
    assert "Entry flow: 128, 256 and 512 channels, kernels 1×1, 3×3, no squeeze" in text
    assert "Middle flow: 8 blocks, kernels 1×1, 1×1, 3×3, squeeze to 0.5 of the channels." in text
    assert "Exit flow: 728, 1024, 1536 and 2048 channels" in text
    assert "residual 3×3" in text
    assert "in the stem, entry 1, entry 2, entry 3, the exit" in text


def test_drawing_has_a_row_a_block_and_bars_in_proportion():
    rows = draw_architecture(LITE).splitlines()
    bars = {row.split()[0]: row.count("█") for row in rows}

    names = [row.split()[0] for row in rows]
    assert names == ["stem", "entry1", "entry2", "entry3", "middle1-8", "exit1", "tail", "head"]
    # The widest layer has 2048 channels.
    assert bars["tail"] == BAR
    assert bars["exit1"] == BAR * 1024 / 2048
    assert bars["middle1-8"] == bars["entry3"] == BAR * 512 / 2048
    assert bars["head"] == 0


def test_drawing_shows_layers_squeeze_pooling_and_residual():
    rows = {row.split()[0]: row for row in draw_architecture(LITE).splitlines()}

    assert rows["middle1-8"].endswith("1×1 256 squeeze · 1×1 512 · 3×3 512  + identity")
    assert rows["exit1"].endswith("1×1 728 · 3×3 1024 · pool /2  + 3×3 1024 /2")
    assert rows["stem"].endswith("3×3 32 /2 · 3×3 64")


def test_blocks_that_differ_are_rows_of_their_own():
    drawing = draw_architecture(parse_reference("xception-lite-text"))

    assert "entry1 " in drawing
    assert " squeeze " in next(row for row in drawing.splitlines() if row.startswith("entry2"))
