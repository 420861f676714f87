"""Wegewart's vocabulary: damages, positions, cameras, and the two messages that cross the network."""
