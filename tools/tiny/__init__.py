"""The small landscape world: a renderer and its captions, both owned by this project."""
