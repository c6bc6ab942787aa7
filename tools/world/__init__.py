"""The world the bundled model draws, and how that model is made from nothing. Not part of the installed package."""
