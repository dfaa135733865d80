"""Readers of foreign models."""
