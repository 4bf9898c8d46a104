"""A step on meta -> Timeline: the dress rehearsal."""
