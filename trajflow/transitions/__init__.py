"""Ways from cached trajectories to a new prompt; each is one file and one `Transition`."""
