"""Study and search-space files as validated, frozen objects."""
