"""What calls did, step by step: one call as a story, and all of them as a file for Perfetto.

Both are made of the recorder's tables afterwards. Nothing is recorded for them but the payloads' first bytes
(`judicia_notebook.records.captures`), and those only while the user has capturing on::

    story        one call: host calls, denials, grows, log lines, calls within it
    chrome       every call, host call and grow as Chrome trace events
"""
