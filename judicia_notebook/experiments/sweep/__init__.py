"""The same function measured over a grid of plugins, payloads, quotas and grants: `judicia_notebook.sweep`.

The room knows runtimes and plugins from the outside, as a user does, and nothing of notebooks. Its files, in the order
in which a sweep goes through them::

    grid         the arguments -> variants, configurations, cells, and the identity of the grid
    description  what the file says of the grid to its readers
    reading      the frame of a file alone
    counts       what monitors counted in a cell, as columns of JSON
    journal      the file that keeps every finished cell, and that an interrupted sweep goes on from
    contents     module and payload bytes by their digest, once in each process
    laboratory   the place where a cell is measured: a runtime, a plugin, warm-up, calls
    dispatch     batches of cells to an executor and their rows back, each cell exactly once
    cluster      the differences with Dask; the only file that imports it
    table        rows -> the tidy frame
    monitored    the same with what monitors counted, as tidy frames
    sweep        the public function

- A *configuration* is one plugin with one payload, one quota and one set of grants. A *cell* is one repeat of a
  configuration.
- A cell's row travels as JSON from its worker to the journal, and is decoded only for the frame. Of the executor, the
  row has only the worker's number.
- No process gets the same bytes twice: batches name digests, and a worker that lacks one answers which.
"""
