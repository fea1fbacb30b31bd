"""Wires: how programs ask the server for rewards. Each is a module with ``routes(scorer, limits)``.

flow_factory  Flow-Factory's remote reward
unirl         UniRL's reward service
pickles       what verl-omni and Flow-GRPO send: plain data in pickles, off unless asked for
reading       bodies → messages and images
plain_pickle  pickles that hold plain data and nothing else
"""
