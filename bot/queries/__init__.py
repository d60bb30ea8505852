"""What people look up: details of a check, searches, the Home tab. Nothing here changes a check but `cancel`."""
