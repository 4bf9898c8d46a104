"""Loops over tokens: their first and last turns are rehearsed, those between are stood for."""
