"""The third rule: which digits are the ID number, and which are a telephone number.

A number may be written in groups. It is taken only where no other reading of the digits fits as well.
"""

from collections.abc import Iterator

from bot.domain.check.request import check_number
from bot.domain.id_types.id_types import IDType
from bot.domain.mentions.draft import MessageDraft
from bot.domain.mentions.tokens import has_digit, is_group, is_letters
from bot.domain.mentions.vocabulary import BIRTH, NUMBER, PHONE

_PHONE_DIGITS = range(8, 16)
"""As many digits a telephone number has, with its country's code or without."""


def settle_numbers(draft: MessageDraft, entry: IDType | None) -> None:
    """Find the numbers. Without an ID type no form is known, and only a labelled number is one."""
    unclear_before = set(draft.unclear)
    for start in draft.number_starts:
        run = draft.free_run(start)
        if run and entry:
            _settle_labelled(draft, run, entry)
        elif run:
            _settle_labelled_without_type(draft, run)
    if entry and NUMBER not in draft.found and draft.unclear.isdisjoint(draft.number_starts):
        _settle_bare(draft, entry)
    # A telephone number in groups is told from an ID number only once the latter is known.
    for start in _phone_starts(draft, entry):
        _settle_phone(draft, start)
    draft.number_doubts = draft.unclear - unclear_before
    draft.names_in_doubt |= any(is_letters(draft.words[at]) for at in draft.number_doubts)


def _put(draft: MessageDraft, where: range, entry: IDType) -> None:
    draft.put(NUMBER, check_number(draft.text(where), entry)[0], where)


def _leading_digits(draft: MessageDraft, run: range) -> range:
    """The words with digits that a run begins with."""
    return run[: next((count for count, at in enumerate(run) if not has_digit(draft.words[at])), len(run))]


# Behind a label


def _settle_labelled_without_type(draft: MessageDraft, run: range) -> None:
    """Where the number ends cannot be told without its form, unless it is one word or all there is."""
    if run == (_leading_digits(draft, run) or run[:1]):
        draft.put(NUMBER, draft.text(run), run)
    else:
        draft.doubt(run)


def _settle_labelled(draft: MessageDraft, run: range, entry: IDType) -> None:
    digits = _leading_digits(draft, run) or run[:1]
    fitting = [run[:count] for count in range(1, len(run) + 1) if draft.fits(run[:count], entry)]
    if fitting and fitting[-1] == digits and has_digit(draft.words[run.start]):
        fitting = [digits]
    match fitting:
        case []:
            # Kept although it does not fit: its fault is told beside the field.
            _put(draft, digits, entry)
        case [where] if where.stop >= digits.stop:
            _put(draft, where, entry)
        case [_]:
            draft.doubt(run)
        case _:
            draft.doubt(run)
            draft.names_in_doubt = True


# Without a label


def _settle_bare(draft: MessageDraft, entry: IDType) -> None:
    fitting = _runs_that_fit(draft, entry)
    implied = _digits_after_type(draft)
    if implied in fitting and all(set(where) <= set(implied) for where in fitting):
        fitting = [implied]
    if not fitting:
        _settle_without_fit(draft, implied, entry)
    elif len(fitting) == 1 and not _goes_on_beside(draft, fitting[0]):
        _put(draft, fitting[0], entry)
    else:
        draft.names_in_doubt |= any(is_letters(draft.words[at]) for where in fitting for at in where)
        draft.doubt_all(fitting)


def _settle_without_fit(draft: MessageDraft, implied: range, entry: IDType) -> None:
    """Nothing with a digit has the form of the number."""
    # Some words without a digit may have it, and are then a name or the number itself.
    letters_fit = any(draft.fits(where, entry) for where in _runs(draft))
    if implied and not letters_fit:
        draft.put(NUMBER, draft.text(implied), implied)
        return
    for where in draft.bare_dates:
        # The number may have been written like a date, or the date is the only number there is.
        if draft.fits(where, entry):
            draft.doubt(where)
            draft.found.pop(BIRTH, None)
    draft.names_in_doubt |= letters_fit


def _runs(draft: MessageDraft) -> Iterator[range]:
    """Every run of neighbouring words that may be one number."""
    for at in range(len(draft.words)):
        run = draft.free_run(at)
        yield from (run[:count] for count in range(1, len(run) + 1))


def _runs_that_fit(draft: MessageDraft, entry: IDType) -> list[range]:
    # What was called a telephone number is no ID number, however well it fits.
    phones = {at for start in draft.phone_starts for at in _labelled_phone(draft, start)}
    digits = {at for at, word in enumerate(draft.words) if has_digit(word)} - phones
    return [
        where
        for where in _runs(draft)
        if not digits.isdisjoint(where) and phones.isdisjoint(where) and draft.fits(where, entry)
    ]


def _digits_after_type(draft: MessageDraft) -> range:
    """The digits right behind the ID type's name, as in `bvn 123`."""
    for item in draft.id_types:
        if draft.continues(item.where.start, item.where.stop):
            digits = _leading_digits(draft, draft.free_run(item.where.stop))
            if digits:
                return digits
    return range(0)


def _goes_on_beside(draft: MessageDraft, where: range) -> bool:
    """Whether other groups of digits stand beside it: then it may be a part of a longer number."""
    return any(at in draft.free and is_group(draft.words[at]) for at in draft.beside(where))


# Telephone numbers


def _phone_starts(draft: MessageDraft, entry: IDType | None) -> Iterator[int]:
    yield from draft.phone_starts
    if entry and PHONE in entry.fields:
        yield from (at for at, word in enumerate(draft.words) if at in draft.free and word.text.startswith("+"))


def _labelled_phone(draft: MessageDraft, start: int) -> range:
    return draft.run_while(start, lambda at: at in draft.free and has_digit(draft.words[at]))


def _settle_phone(draft: MessageDraft, start: int) -> None:
    if start not in draft.free:
        return
    where = draft.run_while(start, lambda at: at in draft.free and (at == start or is_group(draft.words[at])))
    digits = sum(ch.isdecimal() for ch in draft.text(where))
    torn = draft.continues(start, where.stop) and is_group(draft.words[where.stop])
    evidence = (start in draft.phone_starts, digits >= _PHONE_DIGITS.start)
    is_sure = len(where) == 1 and (all(evidence) if torn else any(evidence))
    is_all_there_is = not torn and NUMBER in draft.found and digits in _PHONE_DIGITS
    if is_sure or is_all_there_is:
        draft.put(PHONE, draft.text(where), where)
    else:
        draft.doubt(where)
