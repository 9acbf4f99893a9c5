"""What one administrator may end alone, and when a second person has to confirm (protocol, section 7).

A service counts in a collection of its own what each of its administrators ends alone. Up to the limit it is done at once;
beyond that another administrator has to confirm it. Administrators are named by their pseudonyms.

Read in this order: `domain` (the limit, and who counts as another person), `repository` (the counts), `handlers` (spending).
"""
