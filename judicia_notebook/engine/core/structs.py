"""The structs and enumerations of ``calls.h`` as ctypes has them. Each is compared with the library when it is loaded.

A struct is C's memory: `from_address` looks at it in place, and never frees it.
"""

from __future__ import annotations

import enum
from ctypes import Structure, c_char_p, c_int32, c_int64, c_uint32, c_uint64, c_void_p

KINDS, OWNERS, MEMORIES = 7, 3, 25
NO_LIMIT = (1 << 63) - 1


class Kind(enum.IntEnum):
    """``jc_kind``: the limits that the core holds a guest to."""

    CPU = 0
    WALL = 1
    MEMORY = 2
    FUEL = 3
    ANSWER = 4
    PAYLOAD = 5
    ELEMENTS = 6


class Owner(enum.IntEnum):
    """``jc_owner``: whose limit it was."""

    PLUGIN = 0
    OWN = 1
    FORMER = 2
    RUNTIME = 3
    SYSTEM = 4


class Stop(enum.IntEnum):
    """``jc_stop``: why a guest was stopped."""

    GOES_ON = 0
    CANCELLED = 1
    EXCEEDED = 2
    OUTER_STOPPED = 3
    INTERRUPTED = 4
    HOST_FAILED = 5
    HOST_REFUSED = 6
    EXITED = 7
    MISREAD = 8


class Status(enum.IntEnum):
    """``jc_status``: what an entry and the functions inside answer."""

    OK = 0
    FORKED = 1
    OCCUPIED = 2
    SHUT = 3
    EXITING = 4
    NO_TICKER = 5
    STALE = 6
    FOREIGN = 7
    TRAPPED = 8
    STOPPED = 9
    NO_ALLOCATOR = 10
    ALLOC_ZERO = 11
    ALLOC_BEYOND = 12
    ANSWER_LARGE = 13
    ANSWER_BEYOND = 14
    ANSWER_OVERLAPS = 15
    NO_MEMORY = 16
    OVER_MEMORY = 17
    PENDING = 18
    NO_ROOM = 19
    UNCOUNTED = 20


class Phase(enum.IntEnum):
    """``jc_phase``: which of the guest's functions ran last."""

    IN_FUNCTION = 0
    IN_ALLOC = 1
    IN_FREE = 2


class Given(enum.IntFlag):
    """``jc_given``: what became of an instance that was given back, and what is due then."""

    KEPT = 1
    NEXT = 2
    SURPLUS = 4


class Start(enum.IntFlag):
    """``jc_start_bits``: what is known of the instances of a plugin's code."""

    STARTED = 1
    FAILED = 2


class Step(enum.IntEnum):
    """``jc_step``: how far the making of an instance has come."""

    MADE = 0
    STARTS = 1
    INITIALIZES = 2


class WayKind(enum.IntEnum):
    """``jc_way_kind``: what a way gives to the guest."""

    TAKES_NUMBERS = 0
    TAKES_REQUEST = 1


class HostNumber(enum.IntEnum):
    """The numbers of a host call's row (``enum jc_host_number``), by their names in the recorder's layout."""

    CALL_ID = 0
    SEQ = enum.auto()
    AT_NS = enum.auto()
    WALL_NS = enum.auto()
    BYTES_IN = enum.auto()
    BYTES_OUT = enum.auto()


class Number(enum.IntEnum):
    """``jc_number``: the numbers of a call's row."""

    CALL_ID = 0
    PARENT_CALL_ID = 1
    INSTANCE_ID = 2
    INSTANCE_CALL = 3
    STARTED_NS = 4
    QUEUE_NS = 5
    SETUP_NS = 6
    ENCODE_NS = 7
    GUEST_NS = 8
    HOST_NS = 9
    DECODE_NS = 10
    LOCK_NS = 11
    CPU_NS = 12
    FUEL_USED = 13
    MEMORY_BYTES = 14
    MEMORY_PEAK_BYTES = 15
    GROWS_REFUSED = 16
    BYTES_IN = 17
    BYTES_OUT = 18
    HOST_CALLS = 19
    DENIED = 20


class Limits(Structure):
    """``jc_limits``"""

    c_name = "jc_limits"
    _fields_ = [("version", c_uint64), ("most", c_int64 * KINDS)]


class Call(Structure):
    """``jc_call``"""

    c_name = "jc_call"
    _fields_ = [
        ("limits", c_void_p * OWNERS),
        ("outer", c_void_p),
        ("box", c_void_p),
        ("id", c_int64),
        ("token", c_int64),
        ("cancelled", c_int64),
        ("began_ns", c_int64),
        ("cpu_began_ns", c_int64),
        ("spent_wall_ns", c_int64),
        ("spent_cpu_ns", c_int64),
        ("spent_fuel", c_int64),
        ("host_ns", c_int64),
        ("allocator_ns", c_int64),
        ("signals", c_int64),
        ("limit", c_int64),
        ("used", c_int64),
        ("kind", c_int32),
        ("owner", c_int32),
        ("stop", c_int32),
        ("status", c_int32),
        ("half", c_int32),
        ("ended", c_int32),
        ("fresh", c_int32),
        ("step", c_int32),
        ("host_calls", c_int64),
        ("denied", c_int64),
        ("refused_wanted", c_int64),
        ("refused_limit", c_int64),
        ("refused_owner", c_int32),
        ("packed", c_uint64),
        ("staging", c_void_p),
        ("staging_room", c_uint64),
        ("thread", c_void_p),
        ("keeps_lock", c_int32),
        ("by_signal", c_int32),
        ("raised", c_void_p),
        ("python", c_void_p),
        ("refusals", c_void_p),
        ("way", c_void_p),
        ("next", c_void_p),
        ("before", c_void_p),
        ("entered_ns", c_int64),
        ("ended_ns", c_int64),
        ("numbers", c_int64 * len(Number)),
    ]


class Key(Structure):
    """``jc_key``"""

    c_name = "jc_key"
    _fields_ = [("place", c_int64), ("version", c_uint64), ("object", c_void_p), ("own", c_void_p)]


class Walker(Structure):
    """``jc_walker``"""

    c_name = "jc_walker"
    _fields_ = [("id", c_int64), ("token", c_int64), ("call", c_void_p), ("way", c_void_p)]


class Pool(Structure):
    """``jc_pool``"""

    c_name = "jc_pool"
    _fields_ = [("ceiling", c_int64), ("used", c_int64), ("references", c_int64)]


class Memory(Structure):
    """``jc_memory``"""

    c_name = "jc_memory"
    _fields_ = [
        ("box", c_void_p),
        ("base", c_void_p),
        ("size", c_uint64),
        ("committed", c_uint64),
        ("reserved", c_uint64),
        ("mapped", c_uint64),
        ("ours", c_int64),
        ("heap", c_int64),
        ("next", c_void_p),
    ]


class Meter(Structure):
    """``jc_meter``"""

    c_name = "jc_meter"
    _fields_ = [("spent", c_uint64), ("limit", c_uint64), ("ended", c_uint64)]


class Box(Structure):
    """``jc_box``"""

    c_name = "jc_box"
    _fields_ = [
        ("claimed", c_int32),
        ("closing", c_int32),
        ("references", c_int64),
        ("key", c_uint64),
        ("store", c_void_p),
        ("context", c_void_p),
        ("call", c_void_p),
        ("pool", c_void_p),
        ("samples", c_void_p),
        ("profile", c_void_p),
        ("memories", c_void_p * MEMORIES),
        ("memory", c_void_p),
        ("counters", c_void_p),
        ("meter", c_uint64),
        ("meter_limit", c_int64),
        ("counters_size", c_uint64),
        ("memory_count", c_int64),
        ("loop_count", c_int64),
        ("held", c_int64),
        ("grows_refused", c_int64),
        ("refused_wanted", c_int64),
        ("refused_limit", c_int64),
        ("refused_owner", c_int32),
        ("in_host_call", c_int32),
        ("starting", c_int32),
        ("phase", c_int32),
        ("broken", c_int32),
        ("known", c_int32),
        ("throws", c_int32),
        ("fuel_set", c_uint64),
        ("limited_elements", c_int64),
        ("trap", c_void_p),
        ("error", c_void_p),
        ("instance", c_uint64 * 2),
        ("alloc", c_uint64 * 2),
        ("free_", c_uint64 * 2),
        ("written", c_uint64),
        ("request", c_uint64),
        ("request_length", c_uint64),
        ("packed", c_uint64),
        ("answer", c_uint64),
        ("answer_length", c_uint64),
        ("code", c_int64),
        ("number", c_int64),
        ("calls", c_int64),
        ("generation", c_int64),
        ("idle", c_void_p),
        ("functions", c_void_p),
        ("function_room", c_int64),
        ("write_ns", c_int64),
        ("run_ns", c_int64),
        ("read_ns", c_int64),
        ("left_ns", c_int64),
    ]


class Column(Structure):
    """``jc_column``"""

    c_name = "jc_column"
    _fields_ = [("offset", c_uint32), ("size", c_uint32)]


class Loop(Structure):
    """``jc_loop``"""

    c_name = "jc_loop"
    _fields_ = [
        ("block", c_void_p),
        ("columns", c_void_p),
        ("slots", c_void_p),
        ("func", c_uint64 * 2),
        ("table", c_uint64 * 3),
        ("fixed_fuel", c_int64),
        ("row_fuel", c_int64),
        ("begun_fuel", c_int64),
        ("rows", c_int64),
        ("arguments", c_int32),
        ("results", c_int32),
    ]


class Profile(Structure):
    """``jc_profile``"""

    c_name = "jc_profile"
    _fields_ = [
        ("profiler", c_void_p),
        ("guest_ns", c_int64),
        ("entered_ns", c_int64),
        ("depth", c_int64),
        ("samples", c_int64),
        ("guest_samples", c_int64),
        ("room", c_int64),
        ("most_guest", c_int64),
        ("most_host", c_int64),
        ("function", c_void_p),
        ("took_ns", c_void_p),
        ("beyond_function", c_void_p),
        ("beyond_ns", c_void_p),
        ("beyond_count", c_int64),
        ("beyond_room", c_int64),
    ]


class Image(Structure):
    """``jc_image``. Its bytes are those of a Python object, which it keeps."""

    c_name = "jc_image"
    _fields_ = [("memory", c_uint64), ("offset", c_uint64), ("length", c_uint64), ("bytes", c_char_p)]


class Template(Structure):
    """``jc_template``. What it points to is kept by who makes it."""

    c_name = "jc_template"
    _fields_ = [
        ("engine", c_void_p),
        ("pre", c_void_p),
        ("images", c_void_p),
        ("image_count", c_uint64),
        ("pool", c_void_p),
        ("samples", c_void_p),
        ("has_allocator", c_int32),
        ("is_reactor", c_int32),
    ]


class Supply(Structure):
    """``jc_supply``"""

    c_name = "jc_supply"
    _fields_ = [
        ("module", c_char_p),
        ("module_length", c_uint64),
        ("name", c_char_p),
        ("name_length", c_uint64),
        ("exported", c_char_p),
        ("exported_length", c_uint64),
    ]


class Supplied(Structure):
    """``jc_supplied``. What it points to is kept by who makes it."""

    c_name = "jc_supplied"
    _fields_ = [
        ("linker", c_void_p),
        ("module", c_void_p),
        ("provider", c_void_p),
        ("images", c_void_p),
        ("image_count", c_uint64),
        ("supplies", c_void_p),
        ("count", c_uint64),
    ]


class Sample(Structure):
    """``jc_sample``"""

    c_name = "jc_sample"
    _fields_ = [
        ("call_id", c_int64),
        ("at_ns", c_int64),
        ("cpu_ns", c_int64),
        ("memory_bytes", c_int64),
        ("event", c_int64),
    ]


class Ticker(Structure):
    """``jc_ticker``"""

    c_name = "jc_ticker"
    _fields_ = [
        ("running", c_int64),
        ("parked", c_int64),
        ("turns", c_int64),
        ("ticks", c_int64),
        ("beat_ns", c_int64),
        ("interval_ns", c_int64),
        ("alive", c_int64),
    ]


class Verdict(Structure):
    """``jc_verdict``: why a child process ended itself, and what its call had used."""

    c_name = "jc_verdict"
    _fields_ = [
        ("kind", c_int64),
        ("owner", c_int64),
        ("limit", c_int64),
        ("used", c_int64),
        ("setup_ns", c_int64),
        ("inside_ns", c_int64),
        ("cpu_ns", c_int64),
        ("host_ns", c_int64),
        ("host_calls", c_int64),
        ("denied", c_int64),
        ("memory_before", c_int64),
        ("memory", c_int64),
        ("grows_refused", c_int64),
    ]


SHARED = (
    Limits,
    Call,
    Key,
    Walker,
    Pool,
    Memory,
    Box,
    Column,
    Loop,
    Profile,
    Image,
    Template,
    Supply,
    Supplied,
    Sample,
    Ticker,
    Verdict,
)
