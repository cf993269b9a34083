"""Questions about samples and versions, and what answers them: why, which, diff, publish, verify, takedown, audit."""
