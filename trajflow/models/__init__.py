"""Adapters: diffusers pipelines seen as velocity fields."""
