"""Language models in this process, and what is asked of one wherever it runs."""
