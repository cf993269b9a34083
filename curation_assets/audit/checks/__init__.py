"""The checks of an audit: each a function from what was read to findings."""
