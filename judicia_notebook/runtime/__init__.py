"""Plugins by name, their instances, and a call from the request to the row."""
