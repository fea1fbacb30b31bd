"""Rewards as packages carry them, beside synpic's: the same weights, pictures and prompts for both.

    python -m research.ports [--only NAME ...] [--into DIR] [--json]

pictures      the pictures: smooth, textured and drawn, made by formulas
weights       random weights, in the layouts in which packages and synpic read them
ours          synpic's rewards, opened on these
port          what a port is, and how it is asked: in an environment of its own
listed        the ports that are run
run           one port beside synpic
comparison    two lists of scores: how far apart, and which pairs are turned
mechanisms    synpic's rewards with one thing done as a port does it
switched      what each of these does, alone
wire          what JPEG turns
page          the tables of docs/ports.md and docs/ports-jpeg.md
inside        programs and requirements of the environments; they import nothing of synpic
"""
