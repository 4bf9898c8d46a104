"""Footprint and GPU -> Plan: whether a run fits and where it would fail. Pure: neither torch nor any I/O."""
