"""Messages in which programs ask each other for rewards, as pydantic models, each with its source.

The server reads and writes them (:mod:`synpic.serve`), and rewards that ask other servers do.

synpic        our own: prompts, images, rewards by name
flow_factory  Flow-Factory's remote reward
unirl         UniRL's reward service
pickles       what verl-omni and Flow-GRPO send
"""
