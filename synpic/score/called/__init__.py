"""Rewards that other servers give: the messages of each, and the reward that sends them.

wires     a server's name, prompts and images → a request; an answer → scores
reward    the registered reward ``called``
"""
