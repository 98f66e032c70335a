"""Architectures, the search space and its reference points."""
