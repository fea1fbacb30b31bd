"""Rewards over HTTP: one process a device, requests of several callers in one batch.

wires        how programs ask for rewards: a module for each of them
asking       what a wire asks of the rewards that are served, and what it is answered
"""
