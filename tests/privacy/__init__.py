"""What is known of customers comes to its end."""
