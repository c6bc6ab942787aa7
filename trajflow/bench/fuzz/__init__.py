"""What nobody would ask for: hostile requests, a cache that two threads pull at, and scripts in every text."""
