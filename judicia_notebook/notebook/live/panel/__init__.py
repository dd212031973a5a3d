"""The live panel of a plugin."""
