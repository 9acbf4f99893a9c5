"""The only way out. Read `fetch` (what a caller asks for), `outbound` (where a fetch may go, and a connection to
exactly what was judged) and `addresses` (which addresses those are).
"""
