"""The live charts of a plugin or a runtime."""
