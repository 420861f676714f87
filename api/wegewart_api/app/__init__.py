"""The application: routes of all parts composed, problems answered, and the server that carries it."""

from wegewart_api.app.composition import create_app

__all__ = ["create_app"]
