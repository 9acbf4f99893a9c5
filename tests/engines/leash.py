"""Becomes a program that the kernel kills when the process that started it ends: `leash.py PARENT PROGRAM ARGUMENT...`.

By prctl(2), PR_SET_PDEATHSIG, which outlives exec. It follows the parent's *thread*, so the caller keeps one for this
(process.py). Where a kernel has no such thing, the program runs without a leash.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != int(sys.argv[1]):  # the parent was gone before the leash was on
            sys.exit(1)
    os.execvp(sys.argv[2], sys.argv[2:])
