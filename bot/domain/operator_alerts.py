"""What operators are told by direct message: codes, whose sentences stand in `bot.slack.blocks.refusals`."""

from enum import StrEnum


class OperatorAlert(StrEnum):
    """A fault that only they can do something about."""

    REQUESTS_REFUSED = "alert_requests_refused"
    JOBS_NOT_TOLD = "alert_jobs_not_told"
    RESULTS_NOT_GIVEN = "alert_results_not_given"
    ID_TYPE_NOT_ACTIVE = "alert_id_type_not_active"
    SMILE_ID_AWAY = "alert_smile_id_away"
    SLACK_AWAY = "alert_slack_away"
    UNSETTLED = "alert_unsettled"
    FAULT = "alert_fault"
    BACKUP = "alert_backup"
    NOT_DELIVERED = "alert_not_delivered"
    ACCESS_LOST = "alert_access_lost"
    """The person who should hear has no role any more."""
    REDIRECTED = "alert_redirected"
    REVIEWERS_DIRECTLY = "alert_reviewers_directly"
    NO_REVIEWER_TOLD = "alert_no_reviewer_told"
    FAULT_IN_MESSAGE = "alert_fault_in_message"
