"""What a call spends its time on: a profile, and its forms.

The room gets stacks of names and times, and does not know how they were sampled. Each form is one file::

    profile      the stacks, the hot functions as a frame, the tree of calls
    flame_page   the tree as HTML that needs no network
    flame_figure the tree as a matplotlib figure
    firefox      the samples as the Firefox Profiler's JSON
    speedscope   the samples as speedscope's JSON
"""
