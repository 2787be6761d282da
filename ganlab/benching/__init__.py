"""Measuring how fast experiments train, side by side, by the loop that really trains them."""
