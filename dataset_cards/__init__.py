"""Templates of cards, installed as the package ``synpic_cards``."""
