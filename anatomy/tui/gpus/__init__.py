"""Every GPU with its verdict."""
