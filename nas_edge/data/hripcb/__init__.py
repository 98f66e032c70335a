"""HRIPCB's whole boards in, class folders of crops out, split by board before anything is cut."""
