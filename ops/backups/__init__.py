"""Backups: a dump and the media, sealed to a public key, kept by name, and proved by restoring them."""
