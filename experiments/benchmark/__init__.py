"""How fast the search, training and the nets are: python -m experiments.benchmark"""
