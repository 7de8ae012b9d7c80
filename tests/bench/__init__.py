"""Measurements that compare two or more things in one run; figures are ratios, never absolute times."""
