"""What is known of diffusers' classes without importing them: a table for each version."""
