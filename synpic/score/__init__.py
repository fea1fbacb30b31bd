"""Rewards: one small file each, and the loop that scores."""
