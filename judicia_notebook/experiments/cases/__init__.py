"""A plugin's cases: what its author says that it answers, tried in the sandbox.

`reading` takes the file of cases, `folder` finds the plugin and makes a module of it, `running` makes the calls and
compares, `junit` writes the verdicts for a CI. None of them prints.
"""
