"""Mortality risk: which critically ill adults will die within two months of study entry."""
