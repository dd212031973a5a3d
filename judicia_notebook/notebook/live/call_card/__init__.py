"""The card of a call in the background."""
