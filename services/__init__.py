"""The four services, the node that runs them in one process, and the command line. Services never import each other:
what one has to tell another goes over the bus.
"""
