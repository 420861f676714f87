"""The box on the vehicle: from frames and positions to observations that reach the office."""
