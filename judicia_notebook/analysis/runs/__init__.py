"""Runs that outlive their kernel: kept in a file, read again elsewhere, compared. Knows frames, and no runtime.

::

    tables       the frames of one run as plain values
    run          the face of a run: `Run`, and reading and writing it
    environment  the machine, the clocks, the packages
    cells        a column as text in a CSV, and back with its dtype
    archive      the file: a zip of CSVs and a meta.json
    anonymity    a run without what tells whose it is
    matching     which calls are compared with which
    bootstrap    intervals of what two samples differ in
    comparison   two sets of calls: how much, how often, how sure
    effect       what the sides differ in, in one column and group
    forest       the figure of a comparison
"""
