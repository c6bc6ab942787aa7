"""What the documentation claims, measured: rivals, ablations, chains and the evidence page. Not in the package."""
