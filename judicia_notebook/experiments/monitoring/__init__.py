"""Exact counts of what a guest does: counters written into a module, its calls made with them, and what came of it.

- `monitor.py` says what a monitor is; `judicia_notebook.experiments.monitors` has one a file.
- `plan.py` has a module rewritten for some monitors, and keeps the last few.
- `kept_modules.py` keeps rewritten modules on disk, for other kernels.
- `tally.py` looks at the counters behind each call, and cuts what a trap or a stop left half done.
- `counts.py` is what came of it: counts by block, and the names and places that frames show.
- `result.py` is what a user gets; `run.py` makes the calls.

It knows how to make calls of a plugin, and nothing of IPython.
"""
