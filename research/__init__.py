"""How what synpic brings was made: programs that run from a clone, and are not installed.

shapes    the weights and figures of the embedded world (docs/shapes.md)
ablation  RankDPO against its baselines and other labels (docs/ablation.md)
"""
