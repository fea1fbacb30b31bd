"""Labels that a dataset brings: which of its images people, or others' rewards, prefer.

``choose`` finds the layout among a dataset's columns. A layout reads the small columns of one file:
pairs of its row's images (``sides``, ``votes``), or values of images that stand in lists
(``lists``). ``locate`` says which images of the source are meant, and makes lists into their pairs;
``candidates`` says which candidates those images became.
"""
