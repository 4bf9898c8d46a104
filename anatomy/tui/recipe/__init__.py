"""The recipe as a form, and the answer beside it."""
