"""What calls cost, for people: figures, profiles, stories of calls, comparisons, and files of runs.

The room gets the recorder's tables, frames, numbers and short texts. It knows no plugin, policy, service or engine.
Its parts::

    figures     frames -> a figure; one file for each kind of plot, `plots` lists them, `style` dresses them
    profiles    stacks and times -> hot functions, flame graphs, files for other viewers
    traces      the tables -> one call as a story, all of them for Perfetto
    runs        runs in files, read again, and compared
    statistics  calls -> the table of ``%plugin stats``
    bench       cold and warm calls -> their medians, with intervals from `intervals`

Only the functions that use pandas, NumPy or matplotlib import them.
"""
