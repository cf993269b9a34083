"""How the command line shows published versions, proofs and removals."""
