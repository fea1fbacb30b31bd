"""GenEval's detector and its reader of colours, without mmdet."""
