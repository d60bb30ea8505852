"""The customer takes the photos: the link, the page behind it, and what it hands in."""
