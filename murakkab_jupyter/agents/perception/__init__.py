"""What is seen and heard: scenes, frames, speech, objects, written words, pictures in words."""
