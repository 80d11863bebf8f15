"""What builds and runs containers; `ops/test tests/containers`."""
