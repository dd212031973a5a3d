"""The plots: one file for each kind, each a function from frames to a figure.

Knows the columns of frames and how figures look, and nothing of what recorded them: a frame read back from a file, or
put together by hand, is drawn as well. What the kinds share::

    series      rows -> named series: by function, by label, by any column; the rarest together
    scales      axes of time, bytes and counts, in the unit that fits
    tables      a legend that is a table of numbers

No kind draws an artist a row: a million rows become a few thousand points or boxes first.
"""
