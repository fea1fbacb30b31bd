"""Rewards as packages carry them, beside synpic's: the same weights, pictures and prompts for both.

    python -m research.ports [--only NAME ...] [--into DIR] [--json]

pictures      the pictures: smooth, textured and drawn, made by formulas
weights       random weights, in the layouts in which packages and synpic read them
port          what a port is, and how it is asked: in an environment of its own
imscore       the ports of imscore
others        those of evalscope, pyiqa and simple-aesthetics-predictor, and the authors' packages
comparison    two lists of scores: how far apart, and which pairs are turned
mechanisms    synpic's rewards with one thing done as a port does it
wire          what JPEG turns
page          the tables of docs/ports.md
inside        programs and requirements of the environments; they import nothing of synpic
"""
