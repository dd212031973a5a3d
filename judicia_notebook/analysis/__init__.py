"""What calls cost, for people: figures, profiles, stories of calls, comparisons, and files of runs.

The room gets the recorder's tables, frames, numbers and short texts. It knows no plugin, policy, service or engine.
Its parts::

    figures     frames -> a figure; one file for each kind of plot, `plots` lists them, `style` dresses them, `rc` asks
                what the user has set in matplotlib, `portable` is a figure whose files hold their fonts
    profiles    stacks and times -> hot functions, flame graphs, files for other viewers
    traces      the tables -> one call as a story, all of them for Perfetto
    estimates   calls -> exponents, percentiles, shares, as frames with intervals; the figures draw them
    runs        runs in files, read again, and compared
    series      calls -> those of each line of a figure, or row of a frame
    statistics  calls -> the table of ``%plugin stats``
    bench       cold and warm calls -> their medians, with intervals from `intervals`

Only the functions that use pandas, NumPy or matplotlib import them; `portable` is imported where a figure is made.
"""
