"""Models: one small file per diffusers family, and the loop that draws."""
