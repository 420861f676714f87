"""Who asks: devices by their token, people by their login, each bound to one tenant and one role."""
