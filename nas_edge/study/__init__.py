"""The study: the only room that speaks Optuna."""
