"""How replicas scale: a simulation of many, and the measurement of two that it is held against."""
