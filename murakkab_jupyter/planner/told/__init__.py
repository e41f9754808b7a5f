"""Said of one plan: why it was chosen, what a little more would bring, what it counts on."""
