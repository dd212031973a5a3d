"""Checks: what is expected of a call or of a plugin, compared with what the host recorded.

`criteria` says what can be expected, `judging` compares, `run` is `jn.check`, `hidden` asks a plugin of checks. The
keys of ``cases.toml`` are the criteria of a call, and are judged here, too. None of them prints.
"""
