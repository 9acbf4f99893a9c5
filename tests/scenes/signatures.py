"""Counting how often an institution's key is used, and the throwaway keys that a draft is rehearsed with."""

from __future__ import annotations

from collections import Counter

import pytest

from shared.jose.purpose import Purpose
from shared.jose.signers import LocalSigner


def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each key of an institution's kind has signed from now on, by its id."""
    used: Counter[str] = Counter()
    sign = LocalSigner.sign

    def counting(signer: LocalSigner, data: bytes) -> bytes:
        if signer.purpose is Purpose.INSTITUTION:
            used[signer.kid] += 1
        return sign(signer, data)

    monkeypatch.setattr(LocalSigner, "sign", counting)
    return used
