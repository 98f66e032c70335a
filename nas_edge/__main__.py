"""``python -m nas_edge`` is ``nas-edge``."""

from __future__ import annotations

from nas_edge.cli.main import main

if __name__ == "__main__":
    main(prog_name="nas-edge")
