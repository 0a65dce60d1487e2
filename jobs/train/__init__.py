"""Fit the candidates and register the best as challenger."""
