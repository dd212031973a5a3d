"""How the package speaks: lines that help, tracebacks without its own frames, notices given once. Knows no room."""
