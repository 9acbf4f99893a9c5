"""What runs under a service. Read `spec` (what a service says of itself), `engine` (the parts, and how loops are started
and ended), `leadership` (which of several processes works the loops), then `open` (all of it opened in order, and closed in
the other).
"""
