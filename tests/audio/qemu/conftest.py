"""The same register programs on QEMU's intel-hda device and on this controller.

Collected only where qemu-system-x86_64 with that device is installed; nothing else depends on it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess


def _present() -> bool:
    program = shutil.which("qemu-system-x86_64")
    if program is None or not hasattr(socket, "AF_UNIX"):
        return False
    try:
        answer = subprocess.run([program, "-device", "help"], capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return '"intel-hda"' in answer.stdout and '"hda-duplex"' in answer.stdout


collect_ignore = [] if _present() else ["test_intel_hda.py"]
