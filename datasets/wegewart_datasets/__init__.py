"""Data sets of road damage: where they are, what is in them, and how a training reads them."""
