"""The plots: one file for each kind, each a function from frames to a figure.

Knows the columns of frames and how figures look, but not their origin: the frame may come from a recorder, from a file,
or from the user's own code. The kinds share::

    series      rows -> named series: by function, by label, by any column; the rarest together
    scales      axes of time, bytes and counts, in the unit that fits
    tables      a legend that is a table of numbers

No kind draws an artist for each row: a million rows become a few thousand points or boxes first.
"""
