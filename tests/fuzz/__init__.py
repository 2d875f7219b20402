"""Fuzzing: bytes that nobody wrote, into everything that reads somebody's file."""
