"""Measurements of replicas: what their deaths and their store's cost, and how fast two of them are."""
