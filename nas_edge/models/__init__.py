"""The Xception template as PyTorch modules, and its counts."""
