"""How loops run, wait and end: `supervised` (a loop that starts again after a fault, and ends when it is told to),
`backoff` (how long to wait before the next try), `wakeups` (waiting for something, or for a time at most), `toggle` (work
that runs only while something is so).
"""
