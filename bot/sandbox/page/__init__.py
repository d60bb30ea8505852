"""The workspace of Slack's stand-in in a browser, and the one renderer of Block Kit as HTML."""
