"""Images: from folders or drawn, decoded once, batched and augmented."""
