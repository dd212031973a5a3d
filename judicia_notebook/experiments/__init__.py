"""Calls that are made to learn from them: benchmarks, profiles, traces, sweeps."""
