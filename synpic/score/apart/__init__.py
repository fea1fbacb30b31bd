"""Rewards that run in a Python environment of their own (`score/environments.py`).

process        a process in it, asked over a local socket; it ends with the command
reward         the registered reward ``apart``: code of one's own in such a process
upstream       the packages of rewards' authors, with what today's libraries lack put back
inside         programs that run in those environments, and import nothing of synpic
"""
