"""Faults put in on purpose: what is stopped, killed, damaged or out of memory harms nobody else and nothing kept."""
