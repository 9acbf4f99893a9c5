"""The keys that credentials are signed with: `files` (each institution's own, and throwaway ones to rehearse with), then
`commands`, `handlers` and `api`, by which they are made and retired.
"""
