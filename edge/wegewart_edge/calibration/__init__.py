"""Calibration of a vehicle's cameras: the lens from pictures of a board, the mount from a recorded drive."""
