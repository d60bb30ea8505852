"""How long what is known of a customer is kept, and what stands against its end."""
