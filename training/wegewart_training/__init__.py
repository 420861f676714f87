"""Training of the damage detector: recipe, train, export, evaluate. The only place with torch."""
