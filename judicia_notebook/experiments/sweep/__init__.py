"""The same function measured over a grid of plugins, payloads, quotas and grants: `judicia_notebook.sweep`.

The room knows runtimes and plugins from the outside, as a user does, and nothing of notebooks. Its files, in the order
in which a sweep goes through them::

    grid         what is asked for -> variants, configurations, cells, and what makes two grids the same
    journal      the file that keeps every finished cell, and that an interrupted sweep goes on from
    contents     module and payload bytes by their digest, once in each process
    laboratory   what happens where a cell is measured: a runtime, a plugin, warm-up, calls
    dispatch     batches of cells to an executor and their rows back, each cell exactly once
    cluster      what is different with Dask; the only file that imports it
    table        rows -> the tidy frame
    sweep        the public function

- A *configuration* is one plugin with one payload, one quota and one set of grants. A *cell* is one repeat of one.
- A cell's row travels as JSON from where it was measured to the journal, and is looked into only when the frame is
  made. Which executor ran it leaves no trace in the row beyond its worker's number.
- Nothing is sent twice to the same process: batches name digests, and who lacks one of them says so.
"""
