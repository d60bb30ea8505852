"""Faults of a field that a person filled in: a code and facts. `bot.slack.blocks.refusals` has the sentences."""

from collections.abc import Mapping
from enum import StrEnum

from bot.errors import PhotoCode


class FieldCode(StrEnum):
    """Why a field of a form, or a cell of a table, cannot be taken."""

    COUNTRY_NEEDED = "field_country_needed"
    ID_TYPE_NEEDED = "field_id_type_needed"
    CONSENT_NEEDED = "field_consent_needed"
    NEEDED = "field_needed"
    TOO_LONG = "field_too_long"
    NUMBER_FORM = "field_number_form"
    """The form of the ID type is more than a count of digits."""
    NUMBER_NOT_DIGITS = "field_number_not_digits"
    NUMBER_LENGTH = "field_number_length"
    NAME = "field_name"
    """No letters, or pictures among them."""
    PHONE_NUMBER = "field_phone_number"
    CITIZENSHIP = "field_citizenship"
    NOT_A_DATE = "field_not_a_date"
    DATE_TO_COME = "field_date_to_come"
    DATE_TOO_OLD = "field_date_too_old"
    DATE_UNCLEAR = "field_date_unclear"
    """Day and month could be mistaken."""
    DATE_WITH_TIME = "field_date_with_time"
    ROUNDED = "field_rounded"
    """Digits that a program took for a number: `2.22E+10`, `22212345678.0`."""

    ONE_SELFIE = "field_one_selfie"
    SEVERAL_SELFIES = "field_several_selfies"
    LIVENESS_NEEDED = "field_liveness_needed"
    LIVENESS_COUNT = "field_liveness_count"
    FILE_TWICE = "field_file_twice"
    FILE_NOT_LET = "field_file_not_let"
    FILE_DELETED = "field_file_deleted"
    FILE_HIDDEN = "field_file_hidden"
    """Slack hides it, since the workspace's plan keeps only newer ones."""
    FILE_ELSEWHERE = "field_file_elsewhere"
    """Kept outside Slack, which holds a link to it."""
    FILE_KIND = "field_file_kind"
    FILE_TOO_LARGE = "field_file_too_large"
    FILE_EMPTY = "field_file_empty"

    FORMULA = "field_formula"
    STORED_AS_NUMBER = "field_stored_as_number"
    STORED_AS_DATE = "field_stored_as_date"
    CELL_ERROR = "field_cell_error"
    CELL_NOT_SHOWN = "field_cell_not_shown"
    CELL_NOT_TEXT = "field_cell_not_text"
    ROW_TOO_WIDE = "field_row_too_wide"
    LIVENESS_NAMED_TWICE = "field_liveness_named_twice"
    LIVENESS_NAMED_AND_HELD = "field_liveness_named_and_held"
    LIVENESS_IN_TWO_FOLDERS = "field_liveness_in_two_folders"
    SELFIE_NAMED_AND_HELD = "field_selfie_named_and_held"
    SELFIES_IN_CELL = "field_selfies_in_cell"
    NO_PHOTO = "field_no_photo"
    NO_SUCH_PHOTO = "field_no_such_photo"
    IMAGE_NOT_FOUND = "field_image_not_found"
    SEVERAL_PHOTOS = "field_several_photos"
    PHOTO_OF_OTHER_ROW = "field_photo_of_other_row"


class FieldFault:
    """Why one field cannot be taken; `image` among the facts counts the images of the field from 1."""

    __slots__ = ("code", "facts")

    def __init__(self, code: FieldCode | PhotoCode, **facts: object) -> None:
        self.code = code
        self.facts: Mapping[str, object] = facts

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FieldFault) and (self.code, self.facts) == (other.code, other.facts)

    def __hash__(self) -> int:
        return hash(self.code)

    def __repr__(self) -> str:
        """Without the facts, which may be a customer's."""
        return f"FieldFault({self.code.value})"

    def of_image(self, number: int) -> "FieldFault":
        return FieldFault(self.code, **{**self.facts, "image": number})
