"""Calls made for measurement: benchmarks, profiles, traces, sweeps."""
