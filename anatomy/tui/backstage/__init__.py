"""The process behind the interface: it imports torch, builds models and rehearses, so that keys are answered meanwhile."""
