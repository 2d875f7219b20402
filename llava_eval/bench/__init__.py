"""Timings of the package itself: scoring. Nothing here is needed to evaluate a model."""
