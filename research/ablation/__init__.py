"""The two ablations of docs/ablation.md: ``python -m research.ablation.study``.

data      datasets to train on
cells     models, each trained and measured once; control: one of them; files: locks
measures  pictures judged one by one, and intervals
report    tables: what is measured, as text and pictures
study     the command
"""
