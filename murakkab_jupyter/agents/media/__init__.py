"""Reading media: what files hold, their pictures, sound and text, and a cheap look before anything is run."""
