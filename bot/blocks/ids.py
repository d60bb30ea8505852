"""Names shared by the builders of blocks and the handlers of clicks.

`block_id`s of the form are Smile ID's field names, plus ours; they are a contract with whoever drives the form.
"""

COMMAND = "/kyc"

SHORTCUT_CHECK = "kyc_check"
SHORTCUT_CHECK_MESSAGE = "kyc_check_message"

FORM = "kyc_form"
DETAILS_VIEW = "kyc_details"

CHANNEL = "channel"
COUNTRY = "country"
ID_TYPE = "id_type"
SELFIE = "selfie"
LIVENESS = "liveness"
CONSENT = "consent"
PHOTO = "photo:"
"""Begins the block of a photo that stands in the form already; its file id follows, and where in that file it lies."""
UNUSABLE = "unusable:"
"""Begins the block that says why such a photo cannot be used."""
AGAIN = "again"
"""Shown when the same person was checked before: pay once more?"""
CUSTOMER_REFERENCE = "customer_reference"

VALUE = "value"
"""action_id of fields that send nothing until the form is submitted."""
PICK_CHANNEL = "kyc_form_channel"
PICK_COUNTRY = "kyc_form_country"
PICK_ID_TYPE = "kyc_form_id_type"
"""Followed by `:` and the country, so that choosing another country empties the field."""
CONSENTED = "consented"
CHECK_AGAIN = "check_again"
LEAVE_OUT = "leave_out"

OPEN_FORM = "kyc_open_form"
OPEN_FORM_OF_MESSAGE = "kyc_open_form_of_message"
SEND_MESSAGE = "kyc_send_message"
"""Buttons below a message that was understood; their values hold ids of that message, and no text of it."""
DETAILS = "kyc_details_open"
"""Button; its value is the reference."""
