"""Suites of others asked of the embedded world, where the answers are known exactly.

asked      what a prompt of the world asks: GenEval's objects, questions, noun phrases
judges     GenEval's, the questions' and T2I-CompBench's rules, on what the world's judge sees
world      the suite that these judge
__main__   all packaged models by all of them, in one table
"""
