"""The pieces of `jn.widgets`, for dashboards."""
