"""What needs a disk, a model or an accelerator: each module makes columns and imports nothing of ours but the errors."""
