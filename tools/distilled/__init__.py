"""How a second small model is made of the bundled one: FLUX-shaped, with guidance as an input of its network."""
