"""What people look at: details of a check, searches, the Home tab. Nothing here changes a check."""
