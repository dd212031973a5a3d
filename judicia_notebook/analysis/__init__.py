"""What every call cost: recorded as packed rows, read as frames, drawn as plots.

The room knows nothing of plugins, policies, services or the engine: it is handed numbers and short texts, keeps them,
and gives them back. Data flows one way through its files::

    table       a bounded ring of packed rows
    recorder    the tables of one runtime, and the functions that add a row
    captures    the first bytes of payloads, while somebody asks for them
    columns     rows -> arrays with the dtypes of a frame
    frames      the tables as pandas DataFrames
    figures     frames -> a figure; one file for each kind of plot, `plots` lists them, `style` dresses them
    profiles    stacks and times -> hot functions, flame graphs, files for other viewers
    traces      the tables -> one call as a story, all of them for Perfetto

pandas, NumPy and matplotlib are imported only by the functions that read. Recording needs none of them.
"""
