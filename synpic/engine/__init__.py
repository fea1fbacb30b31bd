"""Where work runs, and how it is cut, watched and stopped. What the work is, it does not know."""
