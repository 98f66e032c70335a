"""What this machine is, and meters for memory and latency."""
