"""How a service of the platform hands something over later, and how it knows the plugins that wait for it.

- `queue`: what waits for one receiver, in order; a thread of its own hands it over, tries again, and parks a failure.
- `broker`: what the queues of one service share: lock, threads, history, parked deliveries, replay, and the end.
- `plugin_registry`: the plugins that export a hook, as they come, go and change, and what each of them asks for.
- `hook`: how the runtime calls a hook of a plugin.

This room knows no service: events, notifications and routes bring their own receivers and wishes.
"""
