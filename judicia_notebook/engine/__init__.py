"""The sandbox engine: the only room that imports wasmtime.

It knows linear memories, clocks, fuel, ticks and traps. It does not know what a capability, a manifest, a plugin or a
notebook is: limits come in as numbers (`Limits`), host functions as callables, and what happened goes out as typed
errors and counters on an `Invocation`.

- `capi`      Wasmtime's C API through ctypes: the fast call path and the host-function path
- `process`   the one engine of this process: features, compiling, its cache
- `memory`    linear memories of our own, so that every grow is seen and can be refused
- `ticks`     the one ticker, which runs only while calls run
- `threads`   a thread of ours, and whether it came to its work
- `interrupts` Ctrl-C during a call
- `safety`    what must hold on a thread before it may enter a guest
- `invocation` one running call: its clocks, limits, cancellation
- `sandbox`   one instance in a store of its own
- `slots`     how numbers lie in a call
- `isolation` compiling in a child process
- `selfcheck` a small module through every hot path, at the start
- `wire`      the JSON of the ABI
- `plain`     NumPy's and pandas' values as Python's own, exactly
- `exactness` what writing a payload would change, by its place
- `traps`     what Wasmtime says went wrong, as our errors
- `abi`       how a request gets in and an answer out (ABI v1)
- `sections`  what a module is, read without compiling it
- `cache`     compiled modules on disk
"""
