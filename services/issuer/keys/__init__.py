"""The keys that credentials are signed with: `files`, each institution's own, and throwaway ones to rehearse with."""
