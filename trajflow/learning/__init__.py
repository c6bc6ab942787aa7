"""What is learned about a model beforehand: placements, masks, aligned grids, priors and forecasts, as its profile."""
