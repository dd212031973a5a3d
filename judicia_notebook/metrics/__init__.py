"""What every call cost: recorded as packed rows, read as frames, drawn as plots.

The room knows nothing of plugins, policies, services or the engine: it is handed numbers and short texts, keeps them,
and gives them back. Data flows one way through its files::

    table       a bounded ring of packed rows
    recorder    the tables of one runtime, and the functions that add a row
    columns     rows -> arrays with the dtypes of a frame
    frames      the tables as pandas DataFrames
    latency     a frame -> a figure; one file for each kind of plot, `plots` lists them, `style` dresses them

pandas, NumPy and matplotlib are imported only by the functions that read. Recording needs none of them.
"""
