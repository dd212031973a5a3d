"""What calls did, step by step: one call as a story, and all of them as a file for Perfetto.

Both are made of the recorder's tables afterwards; nothing is recorded for them but the payloads, and those only while
somebody asks for it::

    captures     the first bytes of requests and answers, while that is switched on
    story        one call: host calls, denials, grows, log lines, calls within it
    chrome       every call, host call and grow as Chrome trace events
"""
