"""Signing in and staying in: login, refresh with reuse detection, logout, passwords, own sessions."""

from crm.sessions import own, passwords, sign_in

routes = [*sign_in.routes, *own.routes, *passwords.routes]
