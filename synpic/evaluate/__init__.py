"""How far rewards can be trusted: against people, with intervals."""
