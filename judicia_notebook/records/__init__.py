"""What happened: packed rows, and the frames that are read from them. Knows only text and units."""
