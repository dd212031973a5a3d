"""What stays alive after its cell: the panel, the charts, the card of a background call, pieces for dashboards.

Each is two halves: a *session*, which knows the runtime and speaks in plain messages, and a page in plain JavaScript.
`widget` puts them together as an anywidget. They share `feed` (the views that are open, and the thread that serves
them), `readings` (the recorder's tables by position) and ``page.js`` and ``panel.css`` on the other side.
"""
