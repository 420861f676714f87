"""The street network: import, the nearest street and house number, and the map's background."""
