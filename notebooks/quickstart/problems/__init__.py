"""The six problems, in the order of the contest."""

from .big_sum import PROBLEM as BIG_SUM
from .convex_hull import PROBLEM as CONVEX_HULL
from .departure_board import PROBLEM as DEPARTURE_BOARD
from .longest_rise import PROBLEM as LONGEST_RISE
from .race_results import PROBLEM as RACE_RESULTS
from .shortest_paths import PROBLEM as SHORTEST_PATHS

PROBLEMS = (BIG_SUM, SHORTEST_PATHS, CONVEX_HULL, LONGEST_RISE, DEPARTURE_BOARD, RACE_RESULTS)
