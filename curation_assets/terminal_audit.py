"""How the command line shows answers about samples and findings about a lake."""
