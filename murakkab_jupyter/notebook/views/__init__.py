"""Views: pure functions from data to a bundle of HTML and text."""
