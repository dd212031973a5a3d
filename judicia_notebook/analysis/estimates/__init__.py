"""What frames of calls say, as frames: exponents, percentiles, shares, medians, with their intervals.

A figure draws what these modules give, and computes nothing of its own. docs/statistics.md says for each statement
which estimator it is, which interval, and how often that held the truth in simulations::

    selection    which calls are pooled: warm ones, apart from cold ones, warm-ups and calls that a profiler slowed
    power_law    points -> the exponent of a power, or that they follow none
    exponents    calls -> a power law a function
    quantiles    calls -> percentiles with intervals by order statistics
    first_calls  calls -> an instance's first calls beside its later ones
    shares       counts -> shares, and the difference of two, with score intervals
    successes    calls -> the share of inputs that end ok under each limit
    extra        what needs SciPy says so
"""
