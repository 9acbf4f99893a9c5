"""What became of a credential. Read `facts` (what was said about it), then `fold` (what that comes to), then `bitstring`
(how it is published for the world). Everything here is pure: no store, no bus, no clock.
"""
