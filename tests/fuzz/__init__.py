"""A mutation fuzz: small valid inputs, damaged by seeded operators and fed to the commands.

``python -m tests.fuzz --target manifest --seed 17`` repeats a case; README.md says the rest.
"""
