"""Widgets that stay alive after their cell: panel, charts, the card of a background call, pieces for dashboards.

Each has two halves: a `LiveSession` in the kernel, which speaks in plain messages, and a page of ES modules in the
browser. Each widget's folder holds both, with its style sheet.

- `session` and ``session.js`` are common to all of them: views that come and go, operations, revisions.
- `messages` has every message as a type, and ``messages.d.ts`` tells the pages the same; `feed` counts the views.
- `shown_plugin` and `activity` know the plugin that is shown and its calls; `readings` reads the recorder's tables.
- `widget` puts a session and a page together as an anywidget. The page is its bundle in ``bundles/``, which
  ``make pages`` builds from the modules.
"""
