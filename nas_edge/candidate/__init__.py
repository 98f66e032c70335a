"""One candidate: its estimate, its processes, what came of it."""
