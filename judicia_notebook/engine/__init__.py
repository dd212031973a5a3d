"""The sandbox engine: the only room that imports wasmtime.

It knows linear memories, clocks, fuel, ticks and traps. It does not know what a capability, a manifest, a plugin or a
notebook is: limits come in as numbers (`Limits`), host functions as callables, and what happened goes out as typed
errors and counters on an `Invocation`.

From a module to an engine:

- `capi`          Wasmtime's C API through ctypes: the fast call path and the host-function path
- `settings`      what the compiler adds to a guest's code: fuel, epochs, one NaN
- `compiler`      WebAssembly's features, compiling, and compiled modules as bytes
- `child_process` what the child processes of ours have in common
- `compile_apart` compiling in a child process, within limits
- `cache`         compiled modules on disk
- `engine`        a compiler with the cache and the ticker: guests run in it
- `startup`       the one engine of this process
- `selfcheck`     a small module through every hot path, at the start

The inside of a call, in C:

- `core`          the library, its contract and its structs; it needs no lock of Python's
- `samples`       the use of calls at ticks and grows, as the core writes it

One call:

- `sandbox`       one instance in a store of its own
- `invocation`    one running call: its clocks, limits, cancellation
- `limits`        the numbers that a running call is held to
- `slots`         how numbers lie in a call
- `abi`           how a request gets in and an answer out (ABI v1)
- `wire`          the JSON of the ABI
- `exactness`     refuses a payload that JSON would change, and names the place
- `plain`         NumPy's and pandas' values as Python's own, exactly
- `traps`         Wasmtime's traps as our errors
- `profiler`      the guest's stack at every tick

Around it:

- `memory`        linear memories of our own: the core sees every grow, and can refuse it
- `guest_memory`  a linear memory as a person reads and writes it, within bounds
- `touched_pages` which pages of a memory hold anything but zeros, as the system knows
- `memory_dump`   the memory of a guest that trapped or was stopped, as it was then
- `exported_globals` the globals of an instance, as numbers
- `memory_view`   a table of its bytes, and a picture of its pages
- `ticks`         the one ticker, which runs only while calls run, as Python sees it
- `threads`       threads whose starter learns whether they reached their work
- `workers`       threads for calls in the background
- `interrupts`    Ctrl-C during a call
- `safety`        the checks before a thread enters a guest
- `finalizers`    frees what Wasmtime holds for objects that are gone
- `room`          asks for memory before C code that a refusal would crash
- `system_memory` how much memory this process may have
"""
