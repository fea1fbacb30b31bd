"""Wires: how programs ask the server for rewards. Each is a module with ``routes(scorer, limits)``.

own           synpic's own: /v1/score, /v1/group, /v1/rewards
flow_factory  Flow-Factory's remote reward
unirl         UniRL's reward service
pickles       what verl-omni and Flow-GRPO send: plain data in pickles, off unless asked for
reading       bodies → messages and images
plain_pickle  pickles that hold plain data and nothing else
"""
