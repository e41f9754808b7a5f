"""WITH WHAT: capabilities, the agents that offer them, the library that knows them, and their weights."""
