"""Texts without a language model: their parts, their meaning, what stands in them."""
