"""The paper's tables and figures beside runs of this machine, and checked against its logs."""
