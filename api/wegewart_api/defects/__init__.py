"""From what drives saw to damages on the street: align, match, believe, keep."""
