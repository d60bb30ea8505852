"""What is known of customers comes to its end here: by the clocks, on a customer's wish, and in Slack too."""
