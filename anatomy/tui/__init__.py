"""The terminal interface, `anatomy browse`. The only room that imports textual; it shows what `api` answers."""
