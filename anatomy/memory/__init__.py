"""Timeline -> Footprint: arithmetic on recorded blocks. Imports neither torch nor anything that reads files."""
