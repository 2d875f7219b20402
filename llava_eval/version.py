"""The version of llava-eval."""

__version__ = "0.1.0"
