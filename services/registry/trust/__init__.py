"""Whom this nation vouches for: institutions, what they are accredited for, and the keys they sign with."""
