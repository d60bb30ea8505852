"""What the commands of `bot.__main__` share with each other and with the terminal."""
