"""Bad inputs, by what is bad: each a small world on disk, a command line, and the line it gives."""
