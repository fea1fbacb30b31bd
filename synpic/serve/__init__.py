"""Rewards over HTTP: one process a device, requests of several callers in one batch.

adapters     rewards in the shape in which a trainer calls them, in its own process or of a server
wires        how programs ask for rewards: a module for each of them
asking       what a wire asks of the rewards that are served, and what it is answered
"""
