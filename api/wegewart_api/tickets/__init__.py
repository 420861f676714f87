"""What the office decides about defects: states, roles, proposals, lists."""
