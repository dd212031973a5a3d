"""Calls without any metering, at the speed of bare Wasmtime: each in a child process of ours, never in this one.

Nothing can stop such code from within. So it is the process that ends, and this room sees to it that it does::

    protocol   what this process and a child say to each other, as data
    reports    errors as data, and back: what a child says is checked, and never unpickled
    process    one child, as this process sees it: it is asked, it answers in time or is ended
    children   the child at work, and a spare that is warm where the one at work may have to be ended
    rows       the row of a call that a child makes
    cells      a plugin's calls through all this, with rows and errors like those of other calls
    child      the program of the child itself

- At a limit of CPU or wall time the child's ticker (``engine/core/watch.c``) writes its verdict and ends the process.
- Of memory the core keeps its own accounts, as everywhere: a grow is refused, and the guest goes on, or traps.
- A child that says nothing for longer than its limit and a grace is killed. A message cut short reads as killed.
- A child has a session of its own, so that no signal to the kernel's group reaches it, and ends when its parent does.
- A child's instances are its own: no state goes in or out but requests and answers.
"""
