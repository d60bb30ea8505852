"""What people see: Block Kit built from plain values, never sent from here.

Our own sentences are mrkdwn; whatever others wrote (codes' texts, references, names) goes out as plain_text or
through `text.foreign`, so that it can ping nobody and link nowhere.
"""
