"""What there is: a recipe with its lake, the shards of its pool, what of it all is stored and what of that is out of date."""
