"""What was made from what: pure functions on recorded facts."""
