"""Recipes out of recipes: for a corpus of one's own, and for SpeechBrain."""
