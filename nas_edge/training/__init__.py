"""Train one model by a recipe: loop, checkpoint."""
