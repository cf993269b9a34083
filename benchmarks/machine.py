"""The machine that a benchmark ran on, and the memory that it took."""

import os
import platform
import resource
import sys
from pathlib import Path


def machine() -> str:
    """Processor, cores that this process may use, and Python, for the head of a report."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{models[0] if models else platform.processor()}, {cores} cores, Python {platform.python_version()}"


def own_peak_memory_bytes() -> int:
    """Peak resident memory; on Linux from VmHWM, because ru_maxrss there starts at the parent's peak, not at zero."""
    status = Path("/proc/self/status")
    if status.exists():
        peak_kib = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak_kib) * 1024
    # macOS counts in bytes, other systems in kibibytes.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
