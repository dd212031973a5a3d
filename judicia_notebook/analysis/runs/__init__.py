"""Runs that outlive their kernel: written to a file, read again elsewhere, compared. Knows frames, and no runtime.

::

    tables         the frames of one run as plain values
    run            the face of a run: `Run`, and reading and writing it
    environment    the machine, the clocks, the packages
    cells          a column as text in a CSV, and back with its dtype
    named_columns  columns that only the rows name: labels, and what a sweep varied
    sweep_frames   frames of sweeps in that file
    archive        the file: a zip of CSVs and a meta.json
    parquet        the same as a folder of Parquet, for other programs
    anonymity      a run without the names of its user and machine
    matching       which calls are compared with which
    bootstrap      intervals of ratios and differences of medians
    pairs          the share of pairs in which the second number is the smaller one
    remarks        what a comparison leaves out, in sentences
    comparison     two sets of calls: how much, how often, how sure
    effect         the difference between the sides, in one column and group
    forest         the figure of a comparison
"""
