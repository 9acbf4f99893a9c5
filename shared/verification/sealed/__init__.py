"""What can be said of a sealed Europass file: `verify` makes its twelve checks in order; `checks` holds those of the
seal itself.
"""
