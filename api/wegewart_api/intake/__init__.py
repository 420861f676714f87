"""Takes in what vehicles send: observations once, drives in their newest revision, images by their hash."""
