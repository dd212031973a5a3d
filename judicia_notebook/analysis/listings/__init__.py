"""Code to read: a module as text (`wat`), what each line of source costs (`lines`), both side by side (`annotated`).

Knows modules' bytes and sources' texts, and no plugin.
"""
