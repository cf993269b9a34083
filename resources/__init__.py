"""What needs a disk, a model or an accelerator: each module makes columns; of ours they import the errors and each other."""

import os

# Before torch or faiss load their OpenMP: its threads spin while they wait, and two processes on two cores then make each
# other up to 40 times slower (0.2 against 6 steps/s of a small transformer; AMD EPYC, torch 2.13, 2026-11). Sleeping instead
# costs a few percent on an idle machine. A value that the user has set stays.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
