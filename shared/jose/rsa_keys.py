"""What an RSA public key must be like before it may verify anything. We read such keys; we make none.

- 2048 to 8192 bits (RFC 7518, 3.3), an odd modulus, an exponent from 65537 (FIPS 186-5, A.1.1) to 2^32.
- Not made by the Infineon library whose primes can be guessed (CVE-2017-15361, "ROCA"). Its primes are powers of 65537
  modulo many small primes, and so are its moduli; an honest modulus is that for all of these primes once in 10^8.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import rsa

from shared.jose.algorithms import MAX_RSA_BITS, MIN_RSA_BITS
from shared.jose.refusals import KeyRefused

MIN_EXPONENT = 2**16 + 1
MAX_EXPONENT = 2**32

_ROCA_GENERATOR = 65537
_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)
"""The primes for which 65537 does not generate every remainder (Nemec et al., ACM CCS 2017, section 4.1)."""

_ROCA_REMAINDERS = {prime: {pow(_ROCA_GENERATOR, i, prime) for i in range(prime)} for prime in _ROCA_PRIMES}


def check_rsa(key: rsa.RSAPublicKey) -> None:
    """Raise `KeyRefused` unless the key meets the rules at the head of this module."""
    numbers = key.public_numbers()
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise KeyRefused("The RSA modulus is too short or too long. Use 2048 to 8192 bits.", reason="rsa-size")
    if not numbers.n & 1 or not numbers.e & 1 or not MIN_EXPONENT <= numbers.e <= MAX_EXPONENT:
        raise KeyRefused("The RSA modulus or exponent is not sound. Use the exponent 65537.", reason="rsa-exponent")
    if all(numbers.n % prime in remainders for prime, remainders in _ROCA_REMAINDERS.items()):
        raise KeyRefused("The RSA key can be factored (CVE-2017-15361). Replace it at once.", reason="rsa-roca")
