"""Underneath every app: `serve` runs one inside a running event loop, `http1` is its parser, with bounds."""
