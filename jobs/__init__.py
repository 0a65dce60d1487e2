"""The jobs: programs with a contract that run in an image, and the nouns they share."""
