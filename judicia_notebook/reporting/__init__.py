"""How the package speaks: the line that helps, tracebacks without its own frames, what is said once. Knows nothing."""
