"""What stays alive after its cell: the panel, the charts, the card of a background call, pieces for dashboards.

Each is two halves: a `LiveSession` in the kernel, which speaks in plain messages, and a page of ES modules in the
browser. A folder a widget holds both, with its style sheet.

- `session` and ``session.js`` are what all of them have in common: views that come and go, operations, revisions.
- `messages` has every message as a type, and ``messages.d.ts`` tells the pages the same; `feed` counts the views.
- `shown_plugin` and `activity` say which plugin is shown and what it does; `readings` reads the recorder's tables.
- `widget` puts a session and a page together as an anywidget. The page is its bundle in ``bundles/``, which
  ``make pages`` makes of the modules.
"""
