"""What Smile ID's messages mean, how far they are trusted, and what an approval leaves open."""
