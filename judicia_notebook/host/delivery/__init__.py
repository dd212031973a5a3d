"""How a service of the platform delivers something later, and how it knows the plugins that wait for it.

- `queue`: the deliveries to one receiver, in order; a thread of its own delivers, tries again, and parks failures.
- `broker`: what the queues of one service share: lock, threads, history, parked deliveries, replay, and the end.
- `plugin_registry`: the plugins that export a hook, as they come, go and change, and the wishes of each of them.
- `hook`: how the runtime calls a hook of a plugin.

This room knows no service: events, notifications and routes bring their own receivers and wishes.
"""
