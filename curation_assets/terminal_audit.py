"""How the command line shows answers about samples and versions, proofs and findings."""
