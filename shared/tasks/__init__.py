"""How loops run, wait and end: `supervised` (a loop that starts again after a fault, and ends when it is told to),
`toggle` (work that runs only while something is so), `wakeups` (waiting for a log to grow).
"""
