"""A report on runs: what people look at."""
