"""Roots and fixed points: compiled iterations that call the function through its address."""
