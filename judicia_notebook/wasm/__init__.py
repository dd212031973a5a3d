"""What a plugin's file is, read byte by byte: sections, names, instructions, the manifest in it. Knows no Wasmtime."""
