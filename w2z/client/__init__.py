"""The connecting side: what talks to a w2z that runs elsewhere."""
