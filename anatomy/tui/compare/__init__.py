"""Pinned plans side by side."""
